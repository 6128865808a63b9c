/** What a field's values are. */
export type FieldType =
  | "integer"
  | "decimal"
  | "money"
  | "boolean"
  | "category"
  | "date"
  | "text"
  /** Rows of {@link Field.columns}; as all that follow, only in the full entry. */
  | "table"
  /** Bytes of {@link Field.shape}. */
  | "tensor"
  /** Text, whose first words count. */
  | "words";

/** What happens to a value that is missing, out of range or not in the list. A flag says that it did. */
export type Answer =
  /** It is taken: a missing value is imputed. */
  | "accept"
  /** It is treated as missing. */
  | "missing"
  /** It is moved to the nearer end of the range. */
  | "clip"
  /** The outcome is `refer` at best. */
  | "refer"
  /** Scoring fails with an error that names the field. */
  | "refuse";

/** One field of an application. */
export interface Field {
  /** The key in {@link Application.values}. */
  readonly name: string;
  /** What its values are. */
  readonly type: FieldType;
  /** Whether an application without it is refused. */
  readonly required: boolean;
  /** The code of its group. */
  readonly group: string;
  /** Least value: in the field's unit (money: major units) for numbers, YYYY-MM-DD for dates. */
  readonly min?: number | string;
  /** Greatest value, as {@link Field.min}. */
  readonly max?: number | string;
  /** The most digits behind the decimal mark, 0 to 9; of decimals and money only. */
  readonly decimals?: number;
  /** ISO 4217 code; of money only. */
  readonly currency?: string;
  /** The unit as a code ("months", "EUR"), if the field has one. */
  readonly unit?: string;
  /** The codes to choose from, in the order of forms; of categories only. */
  readonly categories?: readonly Category[];
  /** What each row has; of tables only. */
  readonly columns?: readonly Column[];
  /** How many rows the model reads; of tables only. */
  readonly maxRows?: number;
  /** The lengths of its axes, the last one running fastest; of tensors only. */
  readonly shape?: readonly number[];
  /** What happens without a value. */
  readonly missing: Answer;
  /** What happens to a value below `min` or above `max`. */
  readonly outOfRange: Answer;
  /** What happens to a category that is not in `categories`. */
  readonly unlisted: Answer;
  /** How sensitive it is: about the loan, personal, or of a special category (health, origin, …). */
  readonly sensitivity: "ordinary" | "personal" | "special";
  /** Whether the applicant can change it. */
  readonly changeable: boolean;
  /** The stable code of the reason that names this field. */
  readonly reasonCode: string;
  /** Its label in the bundle's language that serves `language` (BCP 47) best; else its name. */
  label(language: string): string;
  /** What helps to fill it in, if the bundle says anything. */
  help(language: string): string | undefined;
}

/** One column of a table. */
export interface Column {
  /** The key in a row. */
  readonly name: string;
  /** What its values are. */
  readonly type: string;
  /** Least value, as {@link Field.min}. */
  readonly min?: number | string;
  /** Greatest value, as {@link Field.min}. */
  readonly max?: number | string;
  /** The most digits behind the decimal mark; of decimals and money only. */
  readonly decimals?: number;
  /** ISO 4217 code; of money only. */
  readonly currency?: string;
  /** The unit as a code, if it has one. */
  readonly unit?: string;
  /** The codes to choose from; of categories only. */
  readonly categories?: readonly string[];
}

/** One choice of a category field. */
export interface Category {
  /** The value in {@link Application.values}. */
  readonly code: string;
  /** Its label; else its code. */
  label(language: string): string;
}

/** A group of fields that points are attributed to. */
export interface Group {
  /** Its stable code. */
  readonly code: string;
  /** Its name in the recipe. */
  readonly name: string;
  /** Its label; else its name. */
  label(language: string): string;
}

/** What an application consists of. */
export interface Schema {
  /** The fields, in the order of forms. */
  readonly fields: readonly Field[];
  /** The groups. */
  readonly groups: readonly Group[];
}

/** What a bundle says of itself. */
export interface BundleInfo {
  /** The product's stable name. */
  readonly product: string;
  /** Rises with every release of the product. */
  readonly sequence: number;
  /** SHA-256 over the bundle's header and section table, 64 hexadecimal digits. */
  readonly bundleId: string;
  /** The first day on which it holds, YYYY-MM-DD. */
  readonly notBefore: string | null;
  /** The last day on which it holds, YYYY-MM-DD. */
  readonly notAfter: string | null;
  /** Whether a form may show staff the score while they fill in an application. Without it, score
   *  when the application is handed in, and not before. */
  readonly scoreAsTyped: boolean;
  /** The languages of its texts (BCP 47), the default first. */
  readonly languages: readonly string[];
  /** The arithmetic in use: `simd128` or `scalar`. */
  readonly kernels: string;
  /** How many evaluations of the model {@link Scorer.explain} takes. */
  readonly evaluations: number;
  /** The groups' codes and names. */
  readonly groups: readonly { readonly code: string; readonly name: string }[];
}

/** A field's value: a number in the field's unit (money: major units), true or false, a category's
 *  code, a date as YYYY-MM-DD, or any value in its text form (ASCII digits, a decimal point, no
 *  grouping). Empty text, null and undefined are no value. In the full entry also a table's rows and a
 *  tensor's bytes (as text in base64). */
export type FieldValue = number | string | boolean | null | undefined | readonly TableRow[] | Uint8Array;

/** A row of a table: its cells by the names of their columns. */
export type TableRow = Readonly<Record<string, number | string | boolean | null | undefined>>;

/** An application. */
export interface Application {
  /** Your id of it, at most 1024 bytes. */
  readonly id: string;
  /** The day as of which it is decided, YYYY-MM-DD, between 1800 and 2399. */
  readonly asOf: string;
  /** Whether the applicant consents to an automated decision; without consent the outcome is
   *  `refer`. True unless told. */
  readonly automation?: boolean;
  /** The values by the fields' names. */
  readonly values: Readonly<Record<string, FieldValue>>;
}

/** What the policy says: grant, let a person decide, don't grant. */
export type Outcome = "approve" | "refer" | "decline";

/** How a decision came about. */
export type Flag =
  | "missing"
  | "out_of_range"
  | "unlisted"
  | "expired"
  | "not_yet_valid"
  | "automation_refused"
  | "score_clamped"
  /** A table or a text has more rows or words than the model reads. */
  | "truncated";

/** A decision. */
export interface Decision {
  /** Points on the bundle's scale, a whole number. */
  readonly score: number;
  /** The probability of default in parts per million, 100 to 999 900. */
  readonly probabilityPpm: number;
  /** Further probabilities in parts per million by name, of bundles that have some (`fieldscore/full`). */
  readonly others?: Readonly<Record<string, number>>;
  /** What the policy says. */
  readonly outcome: Outcome;
  /** How it came about. */
  readonly flags: Flag[];
  /** The fields without a value. */
  readonly missing: string[];
  /** The fields whose value was out of range. */
  readonly outOfRange: string[];
  /** The fields whose category was not in the list. */
  readonly unlisted: string[];
  /** The fields whose policy referred the application. */
  readonly referred: string[];
  /** The codes of the knock-out rules that fired. */
  readonly fired: string[];
  /** The bundle that decided, 64 hexadecimal digits. */
  readonly bundleId: string;
  /** The canonical record: envelope, values and decision, the same bytes on every device. It holds
   *  the applicant's values: treat it as such. */
  readonly record: Uint8Array;
}

/** An amount or a tier that the policy gives with a decision. */
export interface Term {
  readonly name: string;
  /** A number with a decimal point, or a word; null where there is none. */
  readonly text: string | null;
  readonly unit: string;
}

/** A rule that was tried. */
export interface Tried {
  /** What it belongs to: `score`, `flags`, `fields`, `knock_out`, or a table of the policy. */
  readonly table: string;
  /** Its code, or its number in its table, from 1. */
  readonly rule: string;
  /** What it looked at, as text by name; null where there was no value. */
  readonly saw: { readonly [name: string]: string | null };
  readonly held: boolean;
  /** What it said, as text by name; empty where it did not hold. */
  readonly said: { readonly [name: string]: string };
}

/** A record that was scored again and came out the same. */
export interface Verified {
  /** The application's id. */
  readonly id: string;
  /** The day as of which it was scored, YYYY-MM-DD. */
  readonly asOf: string;
  readonly decision: Decision;
  readonly terms: Term[];
  /** Each rule of the policy that was tried, in order. */
  readonly trace: Tried[];
  /** What the bundle's challenger said, where it has one and that scored the application. It is no part of the decision. */
  readonly challenger?: Shadow;
}

/** What a challenger, a second bundle that is scored in shadow, says of an application. */
export interface Shadow {
  readonly outcome: Outcome;
  /** The score on the challenger's scale. */
  readonly score: number;
  /** The probability of default in parts per million, 100 to 999 900. */
  readonly probabilityPpm: number;
}

/** The notice of a decision: what the applicant is told and takes home. None of the values that they
 *  gave is in it. */
export interface Notice {
  /** The language that it is in (BCP 47): the bundle's that serves the one asked for best. */
  readonly language: string;
  /** Whether that is written from right to left. */
  readonly rightToLeft: boolean;
  readonly title: string;
  readonly outcome: Outcome;
  /** The outcome in a sentence. */
  readonly statement: string;
  /** The lender, the application's id, its date, the score where the recipe wants it, and what the
   *  decision stands on, in this order. */
  readonly facts: { readonly label: string; readonly value: string }[];
  readonly reasonsTitle: string;
  /** The reasons, the most important first; none where the application is approved. */
  readonly reasons: string[];
  readonly reviewTitle: string;
  /** How to have a person look at the decision. */
  readonly review: string;
  /** All of it as plain text, the same bytes on every device. */
  readonly text: string;
}

/** A person's decision beside the one on record. */
export interface Override {
  /** The id of who decided. */
  readonly by: string;
  readonly outcome: Outcome;
  /** The code of one of the bundle's reasons. */
  readonly reason: string;
  /** The day on which they did, YYYY-MM-DD. */
  readonly asOf: string;
}

/** A reason of a decision. */
export interface Reason {
  /** Its stable code. */
  readonly code: string;
  /** Its text in the bundle's language that serves `language` (BCP 47) best. */
  text(language: string): string;
}

/** A decision with contributions and reasons. */
export interface Explanation extends Decision {
  /** The reference applicant's score in points. */
  readonly referenceScore: number;
  /** Points of each group; they sum to `score - referenceScore`. */
  readonly groups: { readonly code: string; readonly points: number }[];
  /** Points of each field; a group's fields sum to the group. */
  readonly fields: { readonly name: string; readonly points: number }[];
  /** Up to four reasons, the most important first. */
  readonly reasons: Reason[];
}

/** What leads to a better outcome. */
export interface Alternative {
  /** The new values, one to three, in the order of the fields: each as {@link Application.values} takes it. */
  readonly changes: readonly { readonly field: string; readonly value: number | boolean | string }[];
  /** The outcome with them. */
  readonly outcome: Outcome;
  /** The score with them. */
  readonly score: number;
  /** The probability of default with them, in parts per million. */
  readonly probabilityPpm: number;
}
