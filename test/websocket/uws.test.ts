import { describeServerAdmission } from "./admission_suite.js";
import { describeServerLibrary } from "./library_suite.js";

describeServerLibrary("uws");
describeServerAdmission("uws");
