/** Kinds by their numbers on the wire: docs/wire.md, section 3. */
const kinds = [
  ...["", "hello", "welcome", "reject", "message", "request", "response", "ack", "ping", "pong"],
  ...["subscribe", "unsubscribe", "publish", "gap", "commit", "goAway", "close"],
];
const numbers = { flags: 0xff, channel: 0xffff, type: 0xffff_ffff, seq: 0xffff_ffff, ref: 0xffff_ffff };
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * A frame as a line of words: its kind, then what is not 0 or absent of the rest as `name=value`, then the payload as
 * `:text to the end of the line`, or `=base64` where it is no such text.
 *
 *     hello type=1 subject=ada :sesame
 *     message seq=3 ref=4 subject=room.1 meta.key=AA== =/w==
 */
export const wordsCodec = {
  name: "words",
  text: true, // WebSockets carry it in text messages
  lines: true, // and TCP as lines
  // A line at its largest: base64, and words of which metadata are the most.
  maxUnitBytes: (payloadBytes) => Math.ceil(payloadBytes / 3) * 4 + 4_096,

  encode({ kind, subject, meta = [], payload, ...frame }) {
    const words = [kinds[kind] ?? String(kind)];
    for (const name of Object.keys(numbers)) if (frame[name]) words.push(`${name}=${frame[name]}`);
    if (subject !== undefined) words.push(`subject=${encodeURIComponent(subject)}`);
    for (const { key, value } of meta) {
      words.push(`meta.${encodeURIComponent(key)}=${Buffer.from(value).toString("base64")}`);
    }
    if (payload.length > 0) words.push(payloadWord(payload));
    return encoder.encode(`${words.join(" ")}\n`);
  },

  /** What is no frame is thrown at: the connection is closed with `CloseCode.frameMalformed`. */
  decode(unit) {
    const line = decoder.decode(unit).replace(/\r?\n$/, "");
    const [, words, mark, rest = ""] = /^(.*?)(?: ([:=])(.*))?$/s.exec(line);
    const [kind, ...pairs] = words.split(" ");
    const frame = { kind: kindOf(kind), flags: 0, channel: 0, type: 0, seq: 0, ref: 0, meta: [] };
    for (const pair of pairs) {
      const [, name, value] = /^([^=]+)=(.*)$/.exec(pair) ?? fault(`"${pair}" is no name=value`);
      if (name in numbers) frame[name] = numberOf(value, numbers[name]);
      else if (name === "subject") frame.subject = decodeURIComponent(value);
      else if (name.startsWith("meta.")) {
        frame.meta.push({
          key: decodeURIComponent(name.slice(5)),
          value: Uint8Array.from(Buffer.from(value, "base64")),
        });
      } else fault(`nothing is called "${name}"`);
    }
    const payload = mark === "=" ? Uint8Array.from(Buffer.from(rest, "base64")) : encoder.encode(rest);
    return { ...frame, payload };
  },
};

function payloadWord(payload) {
  try {
    const text = decoder.decode(payload);
    if (!/[\r\n]/.test(text)) return `:${text}`;
  } catch {
    // No text.
  }
  return `=${Buffer.from(payload).toString("base64")}`;
}

function kindOf(word) {
  const kind = kinds.indexOf(word);
  return kind > 0 ? kind : numberOf(word, 0xff);
}

function numberOf(text, max) {
  const value = Number(text);
  return /^\d{1,10}$/.test(text) && value <= max ? value : fault(`"${text}" is no number up to ${max}`);
}

function fault(message) {
  throw new Error(message);
}
