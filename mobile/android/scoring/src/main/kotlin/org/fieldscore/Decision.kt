package org.fieldscore

import org.fieldscore.ffi.Alternative as GeneratedAlternative
import org.fieldscore.ffi.Decision as GeneratedDecision
import org.fieldscore.ffi.Explanation as GeneratedExplanation
import org.fieldscore.ffi.Flag as GeneratedFlag
import org.fieldscore.ffi.Outcome as GeneratedOutcome
import org.fieldscore.ffi.Scored as GeneratedScored

/** What is decided. */
public enum class Outcome {
    /** The loan may be granted. */
    APPROVE,

    /** A person decides. */
    REFER,

    /** The loan is not granted. */
    DECLINE,

    ;

    internal companion object {
        fun of(generated: GeneratedOutcome): Outcome = when (generated) {
            GeneratedOutcome.APPROVE -> APPROVE
            GeneratedOutcome.REFER -> REFER
            GeneratedOutcome.DECLINE -> DECLINE
        }
    }
}

/** What a decision says about how it came about. */
public enum class Flag {
    /** A field had no value. */
    MISSING,

    /** A field's value was outside its range. */
    OUT_OF_RANGE,

    /** A field's category was not in its list. */
    UNLISTED,

    /** The day is after the bundle's last. */
    EXPIRED,

    /** The day is before the bundle's first. */
    NOT_YET_VALID,

    /** The applicant does not consent to an automated decision. */
    AUTOMATION_REFUSED,

    /** The score was raised to the scale's floor or lowered to its ceiling. */
    SCORE_CLAMPED,

    /** A table or a text has more rows or words than the model reads. */
    TRUNCATED,
}

/** What comes out of scoring one application. Fields are given by their names. Its [toString] shows nothing of it. */
public class Decision internal constructor(private val generated: GeneratedDecision, private val info: BundleInfo) {
    /** The score in points on the bundle's scale. */
    public val score: Int
        get() = generated.score

    /** The probability of default in parts per million, 100 to 999 900. */
    public val probabilityPpm: Int
        get() = generated.probabilityPpm.toInt()

    /** What the policy says. */
    public val outcome: Outcome
        get() = Outcome.of(generated.outcome)

    /** How it came about. */
    public val flags: Set<Flag>
        get() = generated.flags.mapTo(LinkedHashSet()) { it.public() }

    /** Fields without a value. */
    public val missing: List<String>
        get() = names(generated.missing)

    /** Fields whose value was outside their range. */
    public val outOfRange: List<String>
        get() = names(generated.outOfRange)

    /** Fields whose category was not in their list. */
    public val unlisted: List<String>
        get() = names(generated.unlisted)

    /** Fields whose policy referred the application. */
    public val referred: List<String>
        get() = names(generated.referred)

    /** The codes of the knock-out rules that fired. */
    public val rules: List<String>
        get() = generated.rules.map { info.rules[it.toInt()] }

    /** The bundle's further probabilities by name, in parts per million, 100 to 999 900. */
    public val others: Map<String, Int>
        get() = info.others.zip(generated.others) { name, ppm -> name to ppm.toInt() }.toMap()

    /**
     * The canonical record, the same bytes on every device: what is stored, and what [FieldScorer.replay] scores again. It
     * holds the applicant's values: keep it encrypted.
     */
    public val record: ByteArray
        get() = generated.record

    private fun names(indices: List<UShort>) = indices.map { info.fields[it.toInt()].name }

    /** Decisions with the same record are the same. */
    override fun equals(other: Any?): Boolean = other is Decision && record.contentEquals(other.record)

    override fun hashCode(): Int = record.contentHashCode()

    override fun toString(): String = "Decision"
}

/** What came of one application of many. */
public sealed class Scored {
    /** It was decided. */
    public class Decided internal constructor(
        /** The decision. */
        public val decision: Decision,
    ) : Scored()

    /** It was refused; the others are none the worse. */
    public class Refused internal constructor(
        /** Why: what scoring it alone throws. */
        public val error: FieldscoreException,
    ) : Scored()

    /** The decision, or what was wrong, thrown. */
    public fun get(): Decision =
        when (this) {
            is Decided -> decision
            is Refused -> throw error
        }

    internal companion object {
        fun of(generated: GeneratedScored, info: BundleInfo): Scored =
            when (generated) {
                is GeneratedScored.Decided -> Decided(Decision(generated.decision, info))
                is GeneratedScored.Refused -> Refused(refusal(generated.code, generated.place, generated.expected))
            }
    }
}

/** A decision with contributions and reasons. Its [toString] shows nothing of it. */
public class Explanation internal constructor(generated: GeneratedExplanation, info: BundleInfo) {
    /** The decision, the same as scoring gives but for its record, which has the explanation too. */
    public val decision: Decision = Decision(generated.decision, info)

    /** The reference applicant's score. */
    public val referenceScore: Int = generated.referenceScore

    /** Points for each group, by the group's code: they sum to score minus reference score. */
    public val groups: Map<String, Int> =
        info.groups.zip(generated.groups).associateTo(LinkedHashMap()) { (group, points) -> group.code to points }

    /** Points for each field, by its name: a group's fields sum to the group. */
    public val fields: Map<String, Int> =
        info.fields.zip(generated.fields).associateTo(LinkedHashMap()) { (field, points) -> field.name to points }

    /** Why the score is not higher, or why a person must decide: most important first. */
    public val reasons: List<Reason> = generated.reasons.map { reason ->
        Reason(reason.code, reason.field?.let { info.fields[it.toInt()].name }, reason.text)
    }

    override fun toString(): String = "Explanation"
}

/** Why the score is not higher, or why a person must decide. */
public class Reason internal constructor(
    /** Its stable code. */
    public val code: String,
    /** The field that it is about, where it is about one. */
    public val field: String?,
    /** Its text in the language that was asked for. */
    public val text: String,
) {
    override fun toString(): String = "Reason($code)"
}

/** What leads to a better outcome. Its [toString] shows nothing of it. */
public class Alternative internal constructor(generated: GeneratedAlternative, info: BundleInfo) {
    /**
     * The new values by the names of their fields, in the order of the fields: one to three, in the text form that
     * [Application.Builder.setText] takes.
     */
    public val changes: Map<String, String> =
        generated.changes.associateTo(LinkedHashMap()) { info.fields[it.field.toInt()].name to it.value }

    /** The outcome with them. */
    public val outcome: Outcome = Outcome.of(generated.outcome)

    /** The score with them, in points on the bundle's scale. */
    public val score: Int = generated.score

    /** The probability of default with them, in parts per million. */
    public val probabilityPpm: Int = generated.probabilityPpm.toInt()

    override fun toString(): String = "Alternative"
}

private fun GeneratedFlag.public(): Flag =
    when (this) {
        GeneratedFlag.MISSING -> Flag.MISSING
        GeneratedFlag.OUT_OF_RANGE -> Flag.OUT_OF_RANGE
        GeneratedFlag.UNLISTED -> Flag.UNLISTED
        GeneratedFlag.EXPIRED -> Flag.EXPIRED
        GeneratedFlag.NOT_YET_VALID -> Flag.NOT_YET_VALID
        GeneratedFlag.AUTOMATION_REFUSED -> Flag.AUTOMATION_REFUSED
        GeneratedFlag.SCORE_CLAMPED -> Flag.SCORE_CLAMPED
        GeneratedFlag.TRUNCATED -> Flag.TRUNCATED
    }
