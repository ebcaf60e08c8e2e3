/**
 * Keeps the keyboard focus while an update moves its element, takes it away or disables it: where
 * it was, else at the nearest place that remains. Ends with the returned function.
 */
export function keepFocus(doc: Document): () => void {
  /** The element that has the focus, and those around it; empty where a person let go of it. */
  let path: Element[] = [];

  function note({ target }: Event): void {
    path = [];
    const { body } = doc;
    for (let at = target instanceof Element ? target : null; at && at !== body; at = at.parentElement) path.push(at);
  }

  function leave(): void {
    const left = path;
    // An element that an update moves is left only for the time of the update.
    setTimeout(() => {
      if (left === path && path[0]?.isConnected && isNowhere(doc)) path = [];
    });
  }

  const observer = new MutationObserver((records) => {
    const [held] = path;
    if (held === undefined || !(isNowhere(doc) || doc.activeElement === held)) return;
    const disabled = held.matches(":disabled");
    if (held.isConnected && !disabled) {
      const moved = records.some(({ addedNodes }) => [...addedNodes].some((node) => node.contains(held)));
      if (moved && held instanceof HTMLElement) held.focus({ preventScroll: true });
      return;
    }
    const homes = path.filter((element) => element.isConnected).map((element) => homeIn(element));
    homes.find((home) => home !== null)?.focus({ preventScroll: true });
  });

  doc.addEventListener("focusin", note);
  doc.addEventListener("focusout", leave);
  observer.observe(doc.body, { childList: true, subtree: true, attributeFilter: ["disabled"] });
  return () => {
    doc.removeEventListener("focusin", note);
    doc.removeEventListener("focusout", leave);
    observer.disconnect();
  };
}

function isNowhere(doc: Document): boolean {
  return doc.activeElement === null || doc.activeElement === doc.body;
}

function homeIn(element: Element): HTMLElement | null {
  return element.querySelector<HTMLElement>("[data-focus-home]");
}
