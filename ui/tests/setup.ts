import { cleanup } from "@testing-library/svelte";
import { afterEach } from "vitest";

Object.defineProperty(navigator, "languages", { configurable: true, value: ["en-GB"] });

afterEach(cleanup);
