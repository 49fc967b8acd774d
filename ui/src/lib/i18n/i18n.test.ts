import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import en from './en.json';
import ko from './ko.json';

type Tree = { [key: string]: string | Tree };

function flatten(tree: Tree, prefix = ''): Map<string, string> {
  const out = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    const path = prefix ? `${prefix}.${key}` : key;
    if (typeof value === 'string') out.set(path, value);
    else flatten(value, path).forEach((text, inner) => out.set(inner, text));
  }
  return out;
}

const PLURAL = /_(zero|one|two|few|many|other)$/;
const english = flatten(en);
const korean = flatten(ko);

/** Korean has one plural form: `_other` stands for them all. */
function normalised(keys: Iterable<string>): string[] {
  return [...new Set([...keys].map((key) => key.replace(PLURAL, '_plural')))].sort();
}

describe('translations', () => {
  it('say the same things in both languages', () => {
    expect(normalised(korean.keys())).toEqual(normalised(english.keys()));
  });
  it('have the plural forms that each language needs', () => {
    for (const key of english.keys()) {
      if (key.endsWith('_one')) expect(english.has(key.replace('_one', '_other')), key).toBe(true);
    }
    expect([...korean.keys()].filter((key) => key.endsWith('_one'))).toEqual([]);
  });
  it('use the same placeholders', () => {
    const placeholders = (text: string | undefined) => [...new Set(text?.match(/\{\{\w+\}\}/g) ?? [])].sort();
    for (const [key, text] of korean) expect(placeholders(text), key).toEqual(placeholders(english.get(key)));
  });
  it('leave nothing empty', () => {
    for (const [key, text] of [...english, ...korean]) expect(text.trim(), key).not.toBe('');
  });
  it('leave no sentence in the components', () => {
    // Text between tags or in the attributes that people read: words, not names of keys.
    const sentence = />[^<>{}=();]*[A-Za-z]{3,} [A-Za-z]{2,}[^<>{}=();]*<\/|(?:placeholder|aria-label|title)="[^"]*[A-Za-z]{3,} [^"]*"/g;
    const found = sources(join(__dirname, '../..')).flatMap((file) => (readFileSync(file, 'utf8').match(sentence) ?? []).map((text) => `${file}: ${text}`));
    expect(found).toEqual([]);
  });
});

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.tsx') && !entry.name.includes('.test.'))
    .map((entry) => join(entry.parentPath, entry.name));
}
