package org.fieldscore

import java.math.BigDecimal
import org.fieldscore.ffi.Application as GeneratedApplication
import org.fieldscore.ffi.Entry
import org.fieldscore.ffi.Value

/**
 * One applicant's values, with the application's id and the day as of which it is scored: made by
 * [FieldScorer.application], for any scorer of the same bundle.
 *
 * Its [toString] shows nothing of the applicant.
 */
public class Application internal constructor(
    internal val generated: GeneratedApplication,
    internal val bundleId: BundleId,
) {
    /** How many fields have been given a value. */
    public val size: Int
        get() = generated.values.size

    override fun toString(): String = "Application($size values)"

    /** Takes an application's values, by the names of their fields. The last value of a field counts. */
    @Scoring
    public class Builder internal constructor(private val scorer: FieldScorer) {
        private val entries = ArrayList<Entry>(scorer.slots.size)

        /**
         * Sets a field.
         *
         * @param value a whole number ([Int], [Long]), a decimal ([Double], [BigDecimal]: with no more decimals than the
         *   field has), an amount as [Minor] units, a [Boolean], a category's code, a text, a day as `YYYY-MM-DD`, a
         *   tensor's bytes ([ByteArray]), or null for none. Whether it is of the field's type is seen when it is scored.
         * @throws FieldscoreException.UnknownField where there is no such field
         * @throws FieldscoreException.WrongType for a value of any other class, or a text with half a character
         */
        public fun set(field: String, value: Any?): Builder {
            val slot = scorer.slots[field] ?: throw scorer.unknown(field)
            entries.add(Entry(slot.index, slot.made(field, value)))
            return this
        }

        /** As [set], in an application's block: `"income" to 1200`. */
        @JvmName("assign")
        public infix fun String.to(value: Any?) {
            set(this, value)
        }

        /**
         * Sets a field from its text form, as somebody typed it or as a file has it; blank for none.
         *
         * @param decimalComma whether the decimal mark is a comma
         * @throws FieldscoreException.UnknownField where there is no such field
         * @throws FieldscoreException.WrongType for a text with half a character
         */
        @JvmOverloads
        public fun setText(field: String, text: String, decimalComma: Boolean = false): Builder {
            val slot = scorer.slots[field] ?: throw scorer.unknown(field)
            entries.add(Entry(slot.index, Value.Written(whole(field, text), decimalComma)))
            return this
        }

        /**
         * Sets a table.
         *
         * @param rows for each row its cells in their text form, in the order of [FieldType.Table.columns]; null or blank for
         *   none
         * @param decimalComma whether the decimal mark is a comma
         * @throws FieldscoreException.UnknownField where there is no such field
         * @throws FieldscoreException.WrongType for a text with half a character
         */
        @JvmOverloads
        public fun setRows(field: String, rows: List<List<String?>>, decimalComma: Boolean = false): Builder {
            val slot = scorer.slots[field] ?: throw scorer.unknown(field)
            val texts = rows.map { row -> row.map { whole(field, it ?: "") } }
            entries.add(Entry(slot.index, Value.Rows(texts, decimalComma)))
            return this
        }

        internal fun build(id: String, asOf: String, automation: Boolean): Application =
            Application(GeneratedApplication(id, asOf, automation, entries), scorer.info.bundleId)
    }
}

/** An amount of money in minor units: `Minor(1250)` for 12.50. */
public class Minor(internal val units: Long) {
    override fun toString(): String = "Minor"
}

/** Marks the block of an application, in which nothing of an outer one is to be set. */
@DslMarker
public annotation class Scoring

/** Where a field's values go. */
internal class Slot(val index: UShort, private val day: Boolean) {
    fun made(field: String, value: Any?): Value =
        when (value) {
            null -> NONE
            is Int -> Value.Integer(value.toLong())
            is Long -> Value.Integer(value)
            is Short -> Value.Integer(value.toLong())
            is Byte -> Value.Integer(value.toLong())
            is Double -> Value.Number(value)
            // By its digits: 0.1f is 0.1, not what is nearest to it among the doubles.
            is Float -> Value.Number(value.toString().toDouble())
            is BigDecimal -> Value.Written(value.toPlainString(), false)
            is Minor -> Value.Minor(value.units)
            is Boolean -> Value.Boolean(value)
            is ByteArray -> Value.Bytes(value)
            is CharSequence -> whole(field, value.toString()).let { if (day) Value.Written(it, false) else Value.Text(it) }
            else -> throw FieldscoreException.WrongType(
                "field.type",
                "field $field",
                "a number, a truth value, a text, a day or bytes",
            )
        }

    private companion object {
        val NONE = Value.Written("", false)
    }
}

/** A field's text, refused where half a character is in it, as a broken paste leaves it: that has no form in UTF-8. */
private fun whole(field: String, text: String): String {
    var at = 0
    while (at < text.length) {
        val unit = text[at++]
        val paired = unit.isHighSurrogate() && at < text.length && text[at].isLowSurrogate()
        if (paired) at++
        if (unit.isSurrogate() && !paired) throw halved("field $field")
    }
    return text
}
