/** Connects to a port of localhost without a CA of its own, and prints how that went. */
import { connect } from "millrace/quic";

const outcome = await connect(`quic://localhost:${process.argv[2]}`, { alpn: ["millrace-test"] }).then(
  async (connection) => {
    await connection.close();
    return "connected";
  },
  (error: { code: string }) => error.code,
);
console.log(outcome);
