const socket = new WebSocket(new URLSearchParams(location.search).get("url"), "millrace.v1");
socket.onopen = () => {
  globalThis.readyMs = performance.now();
  socket.close();
};
