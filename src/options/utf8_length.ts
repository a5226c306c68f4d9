/** The bytes of a text in UTF-8, a half of a character counted as what stands for it. (A page in a browser has no Buffer.) */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) bytes += 1;
    else if (code < 0x800) bytes += 2;
    else if ((code & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      bytes += 4; // a character of two halves
      i += 1;
    } else bytes += 3;
  }
  return bytes;
}
