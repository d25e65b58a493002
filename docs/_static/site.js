/* Words for those who listen to a page: the theme's arrows that open a part of the contents have none, and its search
   button and the folds of code are announced by other words than they show. */
document.querySelectorAll("summary").forEach((arrow) => {
  const link = arrow.closest("li")?.querySelector("a");
  if (arrow.textContent.trim()) arrow.removeAttribute("aria-label");
  else if (link) arrow.setAttribute("aria-label", `Pages of ${link.textContent.trim()}`);
});
document.querySelectorAll(".search-button-field").forEach((button) => {
  button.setAttribute("aria-label", button.textContent.trim().replace(/\s+/g, " "));  // a telephone shows the icon alone
});
