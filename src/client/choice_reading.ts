import type { ChoiceReading } from "./options.js";
import { readProbe } from "./probe.js";
import { readAutoSwitch } from "./switch_policy.js";

/** How they are read; a page has it only where it probes. */
export const choiceReading: ChoiceReading = { readProbe, readAutoSwitch };
