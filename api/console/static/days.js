// A browser shows a date in the order of its own language, not of the page's: 03/04 is in March or in April. So the day
// that was chosen stands below its field in words, in the page's language.
const FIELDS = 'input[type="date"], input[type="datetime-local"]';
const LANGUAGES = [document.documentElement.lang, "nb"];
const DAY = { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" }; // values are in UTC
const FORMATS = {
  date: new Intl.DateTimeFormat(LANGUAGES, DAY),
  "datetime-local": new Intl.DateTimeFormat(LANGUAGES, { ...DAY, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
};

function say(field) {
  const id = `${field.id}-day`;
  let line = document.getElementById(id);
  if (!line) {
    line = document.createElement("p");
    Object.assign(line, { id, className: "small day" });
    field.after(line);
  }
  field.setAttribute("aria-describedby", id);
  line.textContent = Number.isNaN(field.valueAsNumber) ? "" : FORMATS[field.type].format(field.valueAsNumber);
}

export function sayDays() {
  for (const field of document.querySelectorAll(FIELDS)) say(field);
}

document.addEventListener("input", ({ target }) => {
  if (target.matches(FIELDS)) say(target);
});
