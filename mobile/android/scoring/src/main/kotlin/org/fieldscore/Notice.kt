package org.fieldscore

import org.fieldscore.ffi.Notice as GeneratedNotice
import org.fieldscore.ffi.Outcome as GeneratedOutcome
import org.fieldscore.ffi.Override as GeneratedOverride

/** The notice of a decision: what the applicant is told and takes home. None of the values that they gave is in it. */
public class Notice internal constructor(generated: GeneratedNotice) {
    /** The BCP-47 language that it is in: the bundle's that serves the one asked for best. */
    public val language: String = generated.language

    /** Whether that is written from right to left. */
    public val rightToLeft: Boolean = generated.rightToLeft

    /** Its title. */
    public val title: String = generated.title

    /** The outcome in a sentence. */
    public val statement: String = generated.statement

    /**
     * Labels and what they say: the lender, the application's id, its date, the score where the recipe wants it, and what
     * the decision stands on, in this order.
     */
    public val facts: List<Pair<String, String>> = generated.facts.map { it.label to it.value }

    /** The title of the reasons. */
    public val reasonsTitle: String = generated.reasonsTitle

    /** The reasons that led to the outcome, most important first; none where the application is approved. */
    public val reasons: List<String> = generated.reasons

    /** The title of [review]. */
    public val reviewTitle: String = generated.reviewTitle

    /** How to have a person look at the decision. */
    public val review: String = generated.review

    /** All of it as plain text, the same bytes on every device. */
    public val text: String = generated.text

    override fun toString(): String = "Notice"
}

/** A person's decision beside the one on record. */
public class DecisionOverride(
    /** The id of who decided, 1 to 256 bytes. */
    public val by: String,
    /** What they decided. */
    public val outcome: Outcome,
    /** The code of one of the bundle's reasons; `override.CODE` is its text. */
    public val reason: String,
    /** The day on which they did, `YYYY-MM-DD`. */
    public val asOf: String,
) {
    internal constructor(generated: GeneratedOverride) :
        this(generated.by, Outcome.of(generated.outcome), generated.reason, generated.asOf)

    internal val generated: GeneratedOverride
        get() = GeneratedOverride(
            by,
            when (outcome) {
                Outcome.APPROVE -> GeneratedOutcome.APPROVE
                Outcome.REFER -> GeneratedOutcome.REFER
                Outcome.DECLINE -> GeneratedOutcome.DECLINE
            },
            reason,
            asOf,
        )

    override fun toString(): String = "DecisionOverride($outcome, $reason)"
}
