import { describeServerLibrary } from "./library_suite.js";

describeServerLibrary("uws");
