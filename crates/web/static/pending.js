// Follows a start through server-sent events: progress, messages, and where to go at the end.

const page = document.getElementById("pending");
const bar = document.getElementById("progress");
const percent = document.getElementById("percent");
const list = document.getElementById("events");
const traced = document.querySelector("#so-far rect");
const pen = document.getElementById("pen");

const seen = new Set(Array.from(list.children, (item) => item.textContent));

function show({ progress, message }) {
  // After a break the stream begins again: messages that are there already stay as they are.
  if (message && !seen.has(message)) {
    seen.add(message);
    const item = document.createElement("li");
    item.textContent = message;
    list.append(item);
  }
  if (progress > bar.value) {
    bar.value = progress;
    percent.textContent = `${progress} %`;
    const x = String(progress * 6);
    traced.setAttribute("width", x);
    pen.setAttribute("x1", x);
    pen.setAttribute("x2", x);
  }
}

const events = new EventSource(page.dataset.eventsUrl);

events.addEventListener("message", ({ data }) => {
  const event = JSON.parse(data);
  show(event);
  if (event.ready) {
    events.close();
    window.location.replace(event.url || page.dataset.readyUrl);
  } else if (event.failed) {
    events.close();
    window.location.reload();
  }
});

events.addEventListener("error", () => {
  // The browser tries again by itself unless the hub refused; then the page knows what is the case.
  if (events.readyState === EventSource.CLOSED) {
    const seconds = Number(page.dataset.refreshSeconds);
    window.setTimeout(() => window.location.reload(), seconds * 1000);
  }
});
