package org.fieldscore

import java.math.BigDecimal
import org.fieldscore.ffi.Answer as GeneratedAnswer
import org.fieldscore.ffi.BundleInfo as GeneratedInfo
import org.fieldscore.ffi.FieldInfo
import org.fieldscore.ffi.FieldKind
import org.fieldscore.ffi.Sensitivity as GeneratedSensitivity

/** A bundle's own account of itself. */
public class BundleInfo internal constructor(generated: GeneratedInfo) {
    /** The product's stable name. */
    public val product: String = generated.product

    /** Rises with every release of the product. */
    public val sequence: Long = generated.sequence.toLong()

    /** What every record names. */
    public val bundleId: BundleId = BundleId(generated.bundleId)

    /** The first day on which it holds, `YYYY-MM-DD`. */
    public val notBefore: String? = generated.notBefore

    /** The last day on which it holds, `YYYY-MM-DD`. */
    public val notAfter: String? = generated.notAfter

    /** Whether staff may see the score of an application that they are still filling in. */
    public val scoreAsTyped: Boolean = generated.scoreAsTyped

    /** The BCP-47 languages of its texts; the first is the default. */
    public val languages: List<String> = generated.languages

    /** The kernels that execute it on this device. */
    public val kernels: String = generated.kernels

    /** What one explanation costs, in evaluations of the model. */
    public val evaluations: Long = generated.evaluations.toLong()

    /** The codes of the knock-out rules. */
    public val rules: List<String> = generated.rules

    /** The names of the probabilities beside that of default. */
    public val others: List<String> = generated.others

    /** The groups of contributions, in the schema's order. */
    public val groups: List<Group> = generated.groups.map { Group(it.code, it.name) }

    /** The fields, in the schema's order. */
    public val fields: List<Field> = generated.fields.map { Field(it, groups[it.group.toInt()]) }

    override fun toString(): String = "BundleInfo($product $sequence, $bundleId)"
}

/** A bundle's id: SHA-256 over its header and its section table. */
public class BundleId internal constructor(private val bytes: ByteArray) {
    /** Its 32 bytes. */
    public fun toByteArray(): ByteArray = bytes.copyOf()

    override fun equals(other: Any?): Boolean = other is BundleId && bytes.contentEquals(other.bytes)

    override fun hashCode(): Int = bytes.contentHashCode()

    /** It, in hexadecimal digits. */
    override fun toString(): String = bytes.hex()
}

/** A group of fields that one contribution stands for. */
public class Group internal constructor(
    /** Its stable code. */
    public val code: String,
    /** Its name: `group.NAME.label` is its text. */
    public val name: String,
) {
    override fun toString(): String = "Group($name)"
}

/** One field of an application. */
public class Field internal constructor(generated: FieldInfo, group: Group) {
    /** Its name: `field.NAME.label` and `field.NAME.help` are its texts. */
    public val name: String = generated.name

    /** Its type, with the range in which a value is ordinary. */
    public val type: FieldType = FieldType.of(generated)

    /** Its unit; empty where it has none. */
    public val unit: String = generated.unit

    /** What happens where there is no value. */
    public val missing: Answer = generated.missing.public()

    /** What happens to a value outside its range. */
    public val outOfRange: Answer = generated.outOfRange.public()

    /** What happens to a category that is not listed. */
    public val unlisted: Answer = generated.unlisted.public()

    /** How sensitive it is. */
    public val sensitivity: Sensitivity = when (generated.sensitivity) {
        GeneratedSensitivity.ORDINARY -> Sensitivity.ORDINARY
        GeneratedSensitivity.PERSONAL -> Sensitivity.PERSONAL
        GeneratedSensitivity.SPECIAL -> Sensitivity.SPECIAL
    }

    /** Whether the applicant could change it. */
    public val changeable: Boolean = generated.changeable

    /** The stable code of the reason that it pulled the score down. */
    public val reasonCode: String = generated.reasonCode

    /** Its group. */
    public val group: Group = group

    /** Whether scoring fails without it. */
    public val required: Boolean
        get() = missing == Answer.REFUSE

    override fun toString(): String = "Field($name)"
}

/** A field's type. */
public sealed class FieldType {
    /** A number, of money or of anything else. */
    public sealed class Numeric : FieldType() {
        /** How many decimals it has at most. */
        public abstract val decimals: Int

        /** The range in which a value is ordinary, both ends included. */
        public abstract val range: ClosedRange<BigDecimal>?
    }

    /** A whole number. */
    public class Integer internal constructor(override val range: ClosedRange<BigDecimal>?) : Numeric() {
        override val decimals: Int
            get() = 0
    }

    /** A decimal number. */
    public class Decimal internal constructor(
        override val decimals: Int,
        override val range: ClosedRange<BigDecimal>?,
    ) : Numeric()

    /** An amount of money. */
    public class Money internal constructor(
        /** ISO 4217. */
        public val currency: String,
        override val decimals: Int,
        override val range: ClosedRange<BigDecimal>?,
    ) : Numeric()

    /** True or false. */
    public object Truth : FieldType()

    /** One of a list. */
    public class Category internal constructor(
        /** The codes; `field.NAME.category.CODE` is a code's text. */
        public val codes: List<String>,
    ) : FieldType()

    /** A day. */
    public class Day internal constructor(
        /** The first ordinary day and the last, `YYYY-MM-DD`. */
        public val range: ClosedRange<String>?,
    ) : FieldType()

    /** Any text. */
    public object Text : FieldType()

    /** Rows. */
    public class Table internal constructor(
        /** What each row has. */
        public val columns: List<Column>,
        /** How many rows the model reads. */
        public val maxRows: Int,
    ) : FieldType()

    /** Bytes of an exact shape. */
    public class Tensor internal constructor(
        /** The lengths of its axes, the last one running fastest. */
        public val shape: List<Int>,
    ) : FieldType()

    /** Text, whose first words count. */
    public object Words : FieldType()

    internal companion object {
        fun of(field: FieldInfo): FieldType =
            when (val kind = field.kind) {
                is FieldKind.Integer -> Integer(numbers(field, 0))
                is FieldKind.Decimal -> Decimal(kind.decimals.toInt(), numbers(field, kind.decimals.toInt()))
                is FieldKind.Money ->
                    Money(kind.currency, kind.decimals.toInt(), numbers(field, kind.decimals.toInt()))
                is FieldKind.Boolean -> Truth
                is FieldKind.Category -> Category(kind.codes)
                is FieldKind.Date -> Day(field.range?.let { day(it.low)..day(it.high) })
                is FieldKind.Text -> Text
                is FieldKind.Table ->
                    Table(kind.columns.map { Column(it.name, it.kind, it.unit) }, kind.maxRows.toInt())
                is FieldKind.Tensor -> Tensor(kind.shape.map { it.toInt() })
                is FieldKind.Words -> Words
            }

        private fun numbers(field: FieldInfo, decimals: Int): ClosedRange<BigDecimal>? =
            field.range?.let { BigDecimal.valueOf(it.low, decimals)..BigDecimal.valueOf(it.high, decimals) }
    }
}

/** One column of a table. */
public class Column internal constructor(
    /** Its name. */
    public val name: String,
    /** The name of its type, as in a recipe. */
    public val type: String,
    /** Its unit; empty where it has none. */
    public val unit: String,
) {
    override fun toString(): String = "Column($name)"
}

/** What happens to a value that is missing, unlisted or out of range. */
public enum class Answer {
    /** It is taken. */
    ACCEPT,

    /** It is treated as missing. */
    AS_MISSING,

    /** It is moved to the nearer end of the range. */
    CLIP,

    /** It is taken, and the outcome is refer at best. */
    REFER,

    /** Scoring fails with an error that names the field. */
    REFUSE,
}

/** How sensitive a field is. */
public enum class Sensitivity {
    /** About the loan, not the person. */
    ORDINARY,

    /** Personal data. */
    PERSONAL,

    /** A special category of personal data. */
    SPECIAL,
}

private fun GeneratedAnswer.public(): Answer =
    when (this) {
        GeneratedAnswer.ACCEPT -> Answer.ACCEPT
        GeneratedAnswer.AS_MISSING -> Answer.AS_MISSING
        GeneratedAnswer.CLIP -> Answer.CLIP
        GeneratedAnswer.REFER -> Answer.REFER
        GeneratedAnswer.REFUSE -> Answer.REFUSE
    }

/** The day that is so many days after 1970-01-01, `YYYY-MM-DD`: java.time is younger than the oldest Android served. */
internal fun day(days: Long): String {
    // Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
    val shifted = days + 719_468
    val era = Math.floorDiv(shifted, 146_097)
    val ofEra = shifted - era * 146_097
    val yearOfEra = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365
    val ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    val month = (5 * ofYear + 2) / 153
    val dayOfMonth = ofYear - (153 * month + 2) / 5 + 1
    val civilMonth = if (month < 10) month + 3 else month - 9
    val year = yearOfEra + era * 400 + if (civilMonth <= 2) 1 else 0
    fun padded(number: Long, width: Int) = number.toString().padStart(width, '0')
    return "${padded(year, 4)}-${padded(civilMonth, 2)}-${padded(dayOfMonth, 2)}"
}

/** Bytes in hexadecimal digits. */
internal fun ByteArray.hex(): String = joinToString("") { byte ->
    (byte.toInt() and 0xff).toString(16).padStart(2, '0')
}
