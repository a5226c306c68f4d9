/** What the cursor of a topic takes in a frame: topics write it, and sessions carry it. See docs/wire.md, section 12. */
export const cursorBytes = 12;
