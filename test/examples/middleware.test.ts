import { testPrograms } from "./kit.js";

testPrograms("middleware", {
  "guarded.js": [
    "warn: refused eve (not let in)",
    "ERR_MILLRACE_SESSION_REFUSED",
    "info: connected ada",
    "orders.place: success: 1 teapot for ada",
    "warn: refused ada (item: Invalid type: Expected string but received 7)",
    "orders.place: failure: item: Invalid type: Expected string but received 7",
    "warn: refused ada (not allowed)",
    "orders.delete: failure: not allowed",
  ],
  "own.js": [
    "ada",
    "staff.keys: failure: not for ada",
    "ada is gone, by peer",
    "3 bytes went out",
    "ERR_MILLRACE_SESSION_REFUSED",
  ],
  "contract.js": [
    "how many: 3",
    'two of them: {"item":"teapot","left":1}',
    "two more: there are not 2 of teapot",
    "half a one: Invalid integer: Received 0.5",
    'what it costs: Invalid type: Expected number but received "ask the manager"',
  ],
});
