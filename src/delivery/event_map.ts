import type { RequestOptions, SendOptions } from "./send_options.js";

declare const carried: unique symbol;

/** JSON of a value of a type: what {@link json} makes, and what sends and answers such a value. */
export type Json<Value> = string & { readonly [carried]: Value };

/** A value as JSON. @throws TypeError for what JSON has no words for */
export function json<Value>(value: Value): Json<Value> {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new TypeError("JSON has no words for this value");
  return text as Json<Value>;
}

/**
 * What an application's clients and servers say to each other, by subject: for the compiler alone, so that a subject that
 * nobody knows and a payload of another shape are found before anything runs. Bytes are declared as `Uint8Array`, text as
 * `string`; all else is carried as JSON. Nothing is checked of what comes: that is for the middleware `validation`.
 */
export interface EventMap {
  /** Events: messages that say what has happened; nobody answers. By subject, what they carry. */
  readonly events?: object;
  /** Commands: requests to do something, answered with nothing, or a failure. By subject, what they carry. */
  readonly commands?: object;
  /** Queries: requests for something, answered with a response. By subject, `{query, response}`. */
  readonly queries?: object;
}

/** One part of a map; none where it is left out. */
export type SubjectsOf<Events, Name extends keyof EventMap> = Events extends {
  readonly [Key in Name]: infer Subjects;
}
  ? Subjects
  : Record<never, never>;

/** Where no map is given, any subject goes, and any payload. */
export type IsAny<Events> = unknown extends Events ? true : false;

/** The subjects of messages. */
export type EventSubject<Events> = string & keyof SubjectsOf<Events, "events">;

/** The subjects of requests. */
export type RequestSubject<Events> =
  IsAny<Events> extends true
    ? string
    : string & (keyof SubjectsOf<Events, "commands"> | keyof SubjectsOf<Events, "queries">);

/** What a message of a subject carries. */
export type EventOf<Events, Subject> = Subject extends keyof SubjectsOf<Events, "events">
  ? SubjectsOf<Events, "events">[Subject]
  : unknown;

/** What a request of a subject asks. */
export type Asked<Events, Subject> =
  IsAny<Events> extends true
    ? unknown
    : Subject extends keyof SubjectsOf<Events, "commands">
      ? SubjectsOf<Events, "commands">[Subject]
      : Subject extends keyof SubjectsOf<Events, "queries">
        ? SubjectsOf<Events, "queries">[Subject] extends { readonly query: infer Query }
          ? Query
          : undefined
        : unknown;

/** What it is answered with. */
export type Answered<Events, Subject> =
  IsAny<Events> extends true
    ? unknown
    : Subject extends keyof SubjectsOf<Events, "queries">
      ? SubjectsOf<Events, "queries">[Subject] extends { readonly response: infer Response }
        ? Response
        : undefined
      : undefined;

/** What is sent of a value that a map declares. */
export type Payload<Value> = [Value] extends [Uint8Array]
  ? Uint8Array
  : [Value] extends [string]
    ? [Value] extends [{ readonly [carried]: unknown }]
      ? Value
      : Value & { readonly [carried]?: never } // text that is not JSON of something
    : [Value] extends [undefined]
      ? undefined
      : Json<Value>;

/** What `send` takes, and with other options `sendAcked`. */
export type SendArguments<Events, Options = SendOptions> =
  IsAny<Events> extends true
    ? [message: Uint8Array | string, options?: Options]
    : {
        [Subject in EventSubject<Events>]: [
          message:
            | Exclude<Payload<EventOf<Events, Subject>>, undefined>
            | ([EventOf<Events, Subject>] extends [undefined] ? "" : never),
          options: Options & { readonly subject: Subject },
        ];
      }[EventSubject<Events>];

/** What `request` takes behind the subject. */
export type RequestArguments<Events, Subject, Options = RequestOptions> =
  IsAny<Events> extends true
    ? [payload?: Uint8Array | string, options?: Options]
    : [Asked<Events, Subject>] extends [undefined]
      ? [payload?: undefined, options?: Options]
      : [payload: Payload<Asked<Events, Subject>>, options?: Options];

/** What a handler of requests of a subject returns. */
export type AnswerOf<Events, Subject> =
  IsAny<Events> extends true
    ? unknown
    : [Answered<Events, Subject>] extends [undefined]
      ? undefined | PromiseLike<undefined> | PromiseLike<void>
      : Payload<Answered<Events, Subject>> | PromiseLike<Payload<Answered<Events, Subject>>>;

/** A message or a request of a subject, as its handler sees it. */
export type Carrying<Message, Subject, Value> = Omit<Message, "subject" | "json" | "copy"> & {
  readonly subject: Subject;
  /** The payload as JSON says it. @throws SyntaxError */
  json(): Value;
  /** The same, whose bytes are its own. */
  copy(): Carrying<Message, Subject, Value>;
};
