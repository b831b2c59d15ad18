// The page's side: joins with a name, shows what comes, connects again when the connection is lost.
const [state, messages, enter, say] = ["state", "messages", "enter", "say"].map((id) => document.getElementById(id));

let socket;
let name = "";
let delay = 500; // ms until the next try to connect

function show(element) {
  const wasAtEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 40;
  messages.append(element);
  while (messages.childElementCount > 500) messages.firstElementChild.remove();
  if (wasAtEnd) element.scrollIntoView();
}

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function showMessage({ from, text, time }) {
  const item = make("li", from === name ? "message mine" : "message");
  const head = make("div", "head");
  const at = new Date(time * 1000);
  const clock = make("time", "", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  clock.dateTime = at.toISOString();
  head.append(make("span", "from", from), clock);
  item.append(head, make("div", "text", text));
  show(item);
}

const shows = {
  hello: () => (state.textContent = `connected as ${name}`),
  message: showMessage,
  join: ({ from }) => show(make("li", "note", `${from} joined`)),
  leave: ({ from }) => show(make("li", "note", `${from} left`)),
  problem: ({ text }) => show(make("li", "note", text)),
};

function connect() {
  state.textContent = "connecting";
  const url = new URL("chat", location.href);
  url.protocol = location.protocol.replace("http", "ws");
  url.searchParams.set("name", name);
  socket = new WebSocket(url);
  socket.onopen = () => (delay = 500);
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    shows[message.type]?.(message);
  };
  socket.onclose = () => {
    state.textContent = "connection lost, trying again";
    setTimeout(connect, delay);
    delay = Math.min(2 * delay, 10_000);
  };
}

enter.addEventListener("submit", (event) => {
  event.preventDefault();
  name = enter.elements.name.value.trim();
  if (name === "") return;
  enter.hidden = true;
  say.hidden = false;
  say.elements.text.focus();
  connect();
});

say.addEventListener("submit", (event) => {
  event.preventDefault();
  const input = say.elements.text;
  if (input.value.trim() === "" || socket.readyState !== WebSocket.OPEN) return;
  socket.send(input.value);
  input.value = "";
});
