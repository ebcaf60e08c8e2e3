// A walk through a page with the Tab key alone: every control is reached, and shows that it is.

/**
 * @param {import("playwright-core").Page} page
 * @returns {Promise<string[]>} controls that the key does not reach, or that do not show the focus
 */
export async function walk(page) {
  const amount = await page.evaluate(() => {
    const all = [
      ...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']"),
    ];
    const usable = all.filter(
      (control) => control.checkVisibility({ visibilityProperty: true }) && !control.matches(":disabled"),
    );
    // Of radio buttons that exclude each other the key reaches the chosen one, else any.
    /** @type {Map<string, Element[]>} */
    const groups = new Map();
    for (const control of usable) {
      if (control instanceof HTMLInputElement && control.type === "radio") {
        groups.set(control.name, [...(groups.get(control.name) ?? []), control]);
      }
    }
    const stops = usable
      .filter((control) => !(control instanceof HTMLInputElement && control.type === "radio"))
      .map((control) => [control]);
    for (const group of groups.values()) {
      const chosen = group.filter((radio) => radio.matches(":checked"));
      stops.push(chosen.length > 0 ? chosen : group);
    }
    Object.assign(window, { stops, reached: new Set(), dim: new Set() });
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
    return all.length;
  });
  for (let press = 0; press < amount + 20; press += 1) {
    await page.keyboard.press("Tab");
    const done = await page.evaluate(() => {
      const { activeElement } = document;
      if (activeElement === null || activeElement === document.body) return true;
      const { stops, reached, dim } =
        /** @type {{ stops: Element[][]; reached: Set<Element[]>; dim: Set<Element> }} */ (
          /** @type {unknown} */ (window)
        );
      const stop = stops.find((controls) => controls.includes(activeElement));
      if (stop === undefined) return false;
      // A field for a time has several stops of its own.
      if (reached.has(stop)) return stop !== [...reached].at(-1);
      reached.add(stop);
      const rings = [activeElement, activeElement.nextElementSibling].filter((element) => {
        if (element === null) return false;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        return outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 2;
      });
      if (rings.length === 0) dim.add(activeElement);
      return false;
    });
    if (done) break;
  }
  return page.evaluate(() => {
    const { stops, reached, dim } =
      /** @type {{ stops: Element[][]; reached: Set<Element[]>; dim: Set<Element> }} */ (
        /** @type {unknown} */ (window)
      );
    /** @param {Element | undefined} control */
    const name = (control) => control?.outerHTML.replace(/\s+/g, " ").slice(0, 140);
    return [
      ...stops.filter((stop) => !reached.has(stop)).map((stop) => `Tab does not reach ${name(stop[0])}`),
      ...[...dim].map((control) => `no focus ring on ${name(control)}`),
    ];
  });
}

/**
 * @param {import("playwright-core").Page} page
 * @returns {Promise<string[]>} what moves although the person asked for less motion
 */
export async function moving(page) {
  return page.evaluate(() =>
    document
      .getAnimations()
      .filter((animation) => animation.playState === "running")
      .map((animation) => {
        const { effect } = animation;
        const target = effect instanceof KeyframeEffect ? effect.target : null;
        return `moves although less motion is wanted: ${target?.outerHTML.slice(0, 140)}`;
      }),
  );
}

/**
 * @param {import("playwright-core").Page} page
 * @returns {Promise<string[]>} what is wider than the part of it that can be seen
 */
export async function cut(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll("body *")]
      .filter((element) => {
        const { overflowX, position } = getComputedStyle(element);
        const written = element.matches("input, textarea, select, svg *, progress") || position === "absolute";
        return !written && overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1;
      })
      .map((element) => `cut: ${element.outerHTML.replace(/\s+/g, " ").slice(0, 140)}`),
  );
}
