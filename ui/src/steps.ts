/** The pages of the first set-up, in order. */
export const steps = ["detect", "signIn", "subscription", "folder", "preview", "choices", "summary"] as const;

export type Step = (typeof steps)[number];
