import { cleanup } from "@testing-library/svelte";
import { afterEach } from "vitest";

Object.defineProperty(navigator, "languages", { configurable: true, value: ["en-GB"] });
// axe asks for a canvas, which jsdom does not draw.
HTMLCanvasElement.prototype.getContext = () => null;

afterEach(cleanup);
