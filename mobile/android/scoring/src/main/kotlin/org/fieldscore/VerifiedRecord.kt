package org.fieldscore

import org.fieldscore.ffi.VerifiedRecord as GeneratedVerifiedRecord
import org.fieldscore.ffi.Seen as GeneratedSeen
import org.fieldscore.ffi.Shadow as GeneratedShadow
import org.fieldscore.ffi.Term as GeneratedTerm
import org.fieldscore.ffi.Tried as GeneratedTried

/** A record that was scored again and came out the same. */
public class VerifiedRecord internal constructor(generated: GeneratedVerifiedRecord, info: BundleInfo) {
    /** The application's id. */
    public val id: String = generated.id

    /** The day as of which it was scored, `YYYY-MM-DD`. */
    public val asOf: String = generated.asOf

    /** The decision. */
    public val decision: Decision = Decision(generated.decision, info)

    /** The amounts and tiers that the policy gives with it. */
    public val terms: List<Term> = generated.terms.map { Term(it) }

    /** Each rule of the policy that was tried, in order. */
    public val trace: List<Tried> = generated.trace.map { Tried(it) }

    /** What the bundle's challenger said, where it has one and that scored the application. It is no part of the decision. */
    public val challenger: Shadow? = generated.challenger?.let { Shadow(it) }

    override fun toString(): String = "VerifiedRecord"
}

/** What a challenger, a second bundle that is scored in shadow, says of an application. */
public class Shadow internal constructor(generated: GeneratedShadow) {
    /** What its policy says. */
    public val outcome: Outcome = Outcome.of(generated.outcome)

    /** The score on its scale. */
    public val score: Int = generated.score

    /** The probability of default in parts per million. */
    public val probabilityPpm: Int = generated.probabilityPpm.toInt()

    override fun toString(): String = "Shadow"
}

/** An amount or a tier that comes out with a decision. */
public class Term internal constructor(generated: GeneratedTerm) {
    /** Its name. */
    public val name: String = generated.name

    /** A number with a decimal point, or a word; null where there is none. */
    public val text: String? = generated.text

    /** The unit that is shown beside it; may be empty. */
    public val unit: String = generated.unit

    override fun toString(): String = "Term"
}

/** A rule that was tried. */
public class Tried internal constructor(generated: GeneratedTried) {
    /** What it belongs to: `score`, `flags`, `fields`, `knock_out`, or a table of the policy. */
    public val table: String = generated.table

    /** Its code, or its number in its table, from 1. */
    public val rule: String = generated.rule

    /** What it looked at, as text by name; null where there was no value. */
    public val saw: Map<String, String?> = generated.saw.byName()

    /** Whether it held. */
    public val held: Boolean = generated.held

    /** What it said, as text by name; empty where it did not hold. */
    public val said: Map<String, String?> = generated.said.byName()

    override fun toString(): String = "Tried"
}

private fun List<GeneratedSeen>.byName(): Map<String, String?> = associate { it.name to it.text }
