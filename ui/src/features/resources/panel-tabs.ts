export const PANEL_TABS = ['summary', 'manifest', 'diff', 'events', 'logs'] as const;
export type PanelTab = (typeof PANEL_TABS)[number];
