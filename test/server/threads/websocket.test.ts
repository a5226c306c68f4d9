import { describeThreads } from "./suite.js";

describeThreads("ws");
