/**
 * Notes where the keyboard focus is, and returns a function that brings it back to the nearest
 * remaining place if an update took the focused element away.
 */
export function rememberFocus(doc: Document): () => void {
  const path: Element[] = [];
  const held = doc.activeElement === doc.body ? null : doc.activeElement;
  for (let element = held; element; element = element.parentElement) {
    path.push(element);
  }
  return () => {
    const lost = held !== null && !held.isConnected;
    if (!lost || (doc.activeElement !== doc.body && doc.activeElement !== null)) {
      return;
    }
    const remaining = path.filter((element) => element.isConnected);
    for (const element of remaining) {
      const home = element.querySelector<HTMLElement>("[data-focus-home]");
      if (home) {
        home.focus({ preventScroll: true });
        return;
      }
    }
  };
}
