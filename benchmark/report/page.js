"use strict";

const table = document.getElementById("main");
const filters = document.getElementById("filters");
const tally = document.getElementById("status");
const headings = [...table.tHead.rows[0].cells];
const results = [...table.tBodies];
let order = "";

function sortBy(heading) {
  const column = headings.indexOf(heading);
  const numbers = heading.dataset.kind === "number";
  const first = numbers ? "descending" : "ascending";
  const other = numbers ? "ascending" : "descending";
  const direction = heading.getAttribute("aria-sort") === first ? other : first;
  const sign = direction === "ascending" ? 1 : -1;
  const value = (result) => result.rows[0].cells[column].dataset.sort;
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") return (x === "") - (y === ""); // nothing to sort by: last, whichever way
    return sign * (numbers ? Number(x) - Number(y) : x.localeCompare(y, "en"));
  };
  for (const each of headings) each.setAttribute("aria-sort", each === heading ? direction : "none");
  table.append(...[...results].sort(compare));
  order = `, sorted by ${heading.textContent.trim()}, ${direction}`;
  report();
}

function chosen() {
  const data = new FormData(filters);
  return {
    env: data.get("env"),
    policy: data.get("policy"),
    method: data.get("method").trim().toLowerCase(),
    seeds: Number(data.get("seeds")),
  };
}

function here(element, choice) {
  const { env, policy } = element.dataset; // a figure of encoders has no policy: it belongs to all of them
  return (!choice.env || env === choice.env) && (!choice.policy || !policy || policy === choice.policy);
}

function filter() {
  const choice = chosen();
  for (const result of results) {
    const { method, seeds } = result.dataset;
    result.hidden = !(here(result, choice) && method.toLowerCase().includes(choice.method) && Number(seeds) >= choice.seeds);
  }
  for (const other of document.querySelectorAll("main [data-env]:not(.result)")) other.hidden = !here(other, choice);
  report();
}

function report() {
  tally.textContent = `${results.filter((result) => !result.hidden).length} of ${results.length} rows${order}`;
}

function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.querySelector("summary").focus();
  }
}

for (const heading of headings) heading.querySelector("button").addEventListener("click", () => sortBy(heading));
filters.addEventListener("input", filter);
filters.addEventListener("reset", () => setTimeout(filter));
filters.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", unfold);
unfold();
filter(); // a browser may have kept what was typed before a reload
