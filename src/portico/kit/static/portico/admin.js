/* The admin follows the desk's choice of light and dark, which stands in the page, and not one of its own; and htmx neither
   evaluates words nor adds a style sheet, which the Content-Security-Policy would refuse. Loaded before Alpine begins. */
(() => {
  const chosen = ["light", "dark"].find((name) => document.documentElement.classList.contains(name)) || "auto";
  try {
    localStorage.setItem("adminTheme", JSON.stringify(chosen));
  } catch {
    /* a browser that keeps nothing: Alpine falls back to what stands in the page */
  }
  if (window.htmx) Object.assign(window.htmx.config, { allowEval: false, includeIndicatorStyles: false });
})();
