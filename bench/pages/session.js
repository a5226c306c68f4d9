import { connect } from "millrace/client";

const session = await connect(new URLSearchParams(location.search).get("url"));
globalThis.readyMs = performance.now();
await session.close();
