import { testPrograms } from "./kit.js";

testPrograms("client", {
  "roaming.js": [
    "begins over quic",
    "from quic to websocket",
    "from websocket to quic",
    "every reading came once, in order",
  ],
  "typed.js": ["there are 3", "teapot: 1 left", "success", "there are not 2 of teapot"],
});
