import { describeThreads } from "./suite.js";

describeThreads("quic");
