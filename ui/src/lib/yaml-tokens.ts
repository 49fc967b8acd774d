export type TokenKind = 'key' | 'string' | 'number' | 'punctuation' | 'comment' | 'plain';

export interface Token {
  kind: TokenKind;
  text: string;
}

const KEY = /^(\s*(?:- +)*)((?:"[^"]*"|'[^']*'|[^\s#:'"{[][^#:]*?|[^\s#:'"{[][^\s]*?))(:)(?=\s|$)(.*)$/;
const LIST = /^(\s*(?:-(?: +|$))+)(.*)$/;

/** Colours one line of YAML. It knows nothing of the lines around it, which is good enough for reading. */
export function yamlTokens(line: string): Token[] {
  if (/^\s*#/.test(line)) return [{ kind: 'comment', text: line }];
  const pair = KEY.exec(line);
  if (pair) {
    const [, lead = '', key = '', colon = '', rest = ''] = pair;
    return compact([{ kind: 'punctuation', text: lead }, { kind: 'key', text: key }, { kind: 'punctuation', text: colon }, ...scalar(rest)]);
  }
  const item = LIST.exec(line);
  if (item) return compact([{ kind: 'punctuation', text: item[1] ?? '' }, ...scalar(item[2] ?? '')]);
  return scalar(line);
}

function scalar(text: string): Token[] {
  const trimmed = text.trim();
  if (trimmed === '') return text ? [{ kind: 'plain', text }] : [];
  if (/^[|>][-+0-9]*$/.test(trimmed)) return [{ kind: 'punctuation', text }];
  if (/^(-?\d+(\.\d+)?([eE][-+]?\d+)?|true|false|null|~)$/.test(trimmed)) return [{ kind: 'number', text }];
  if (/^[{}[\]]+$/.test(trimmed)) return [{ kind: 'punctuation', text }];
  return [{ kind: 'string', text }];
}

function compact(tokens: Token[]): Token[] {
  return tokens.filter((token) => token.text !== '');
}
