import { mount } from "svelte";

import App from "./App.svelte";
import { type Bridge, insideTauri, tauriBridge } from "./bridge";
import "./styles/tokens.css";
import "./styles/base.css";
import { texts } from "./texts";

async function chooseBridge(): Promise<Bridge | null> {
  if (insideTauri()) {
    return tauriBridge;
  }
  if (import.meta.env.MODE === "production") {
    return null;
  }
  const { bridgeFor } = await import("./fake");
  return bridgeFor(new URLSearchParams(location.search).get("fixture"), Date.now());
}

const target = document.getElementById("app");
if (!target) {
  throw new Error("index.html has no #app");
}
const bridge = await chooseBridge();
if (bridge) {
  mount(App, { target, props: { bridge, readTime: Date.now } });
} else {
  target.textContent = texts.alone;
}
