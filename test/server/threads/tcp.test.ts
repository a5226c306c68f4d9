import { describeThreads } from "./suite.js";

describeThreads("tcp");
