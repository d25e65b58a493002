/* Built without MathJax: formulas stay as they are written, and a page that has some says so. */
addEventListener("DOMContentLoaded", () => {
  if (!document.querySelector(".math")) return;
  const note = document.createElement("p");
  note.textContent = "Formulas are shown as TeX: this copy of the site was built without MathJax, which npm brings.";
  document.querySelector("article")?.prepend(note);
});
