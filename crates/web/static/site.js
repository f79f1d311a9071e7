// Small comforts for every page. Without this file all pages still work.

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!window.confirm(form.dataset.confirm)) {
      event.preventDefault();
    }
  });
}

// A second press while the first is on its way would only post the same again.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) {
    return;
  }
  if (event.target.dataset.sent) {
    event.preventDefault();
  }
  event.target.dataset.sent = "true";
});

// A page from the back-forward cache may be used again.
window.addEventListener("pageshow", () => {
  for (const form of document.forms) {
    delete form.dataset.sent;
  }
});

for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) {
    continue;
  }
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const today = day.format(new Date());

for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.getTime())) {
    continue;
  }
  time.title = time.textContent;
  const date = day.format(moment);
  time.textContent =
    date === today ? `today, ${clock.format(moment)}` : `${date}, ${clock.format(moment)}`;
}

// While something ends by itself, look again from time to time, but never under somebody's hands.
for (const waiting of document.querySelectorAll("[data-reload-seconds]")) {
  window.setInterval(
    () => {
      if (!document.hidden && !document.activeElement?.matches("input, select, button")) {
        window.location.reload();
      }
    },
    Number(waiting.dataset.reloadSeconds) * 1000,
  );
}

// The end of a sign-in that a page elsewhere opened in a window of its own.
if (document.querySelector("[data-close-window]")) {
  window.close();
}
