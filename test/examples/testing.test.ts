import { testPrograms } from "./kit.js";

testPrograms("testing", {
  "bad_network.js": ["20 of 20 were answered"],
  "fake_clock.js": ["the server has 0 connections"],
});
