import { testPrograms } from "./kit.js";

testPrograms("udp", {
  "discovery.js": ["echo: found you"],
  "broadcast.js": ["temperature: 21.5", "temperature: 21.5"],
});
