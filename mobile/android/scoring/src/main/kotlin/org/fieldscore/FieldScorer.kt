package org.fieldscore

import java.io.ByteArrayOutputStream
import java.io.InputStream
import org.fieldscore.ffi.Scorer as GeneratedScorer

/**
 * An opened bundle: immutable, and usable from any thread at once. A decision takes microseconds: call it where you are,
 * the main thread included.
 *
 * [close] frees its memory at once; without, that happens some time after it is gone. Closing twice is fine; whatever
 * else is called after it throws [IllegalStateException].
 */
public class FieldScorer internal constructor(private val generated: GeneratedScorer) : AutoCloseable {
    @Volatile private var closed = false

    private val trays = Trays(generated)

    /** The bundle, its fields and groups. */
    public val info: BundleInfo = calling { BundleInfo(generated.info()) }

    /** Where each field's values go. */
    internal val slots: Map<String, Slot> =
        info.fields.withIndex().associateTo(HashMap()) { (index, field) ->
            field.name to Slot(index.toUShort(), field.type is FieldType.Day)
        }

    /** The error of a field's name that is not there, in the runtime's words. */
    internal fun unknown(field: String): FieldscoreException =
        try {
            on { it.field(field) }
            FieldscoreException.UnknownField("field.unknown", "field", "a field of the bundle's schema")
        } catch (error: FieldscoreException) {
            error
        }

    /**
     * An application with these values.
     *
     * ```
     * val application = scorer.application("A-0001", "2026-09-01") {
     *     "income" to 150
     *     "home" to "owner"
     * }
     * ```
     *
     * @param id the application's id; it goes into the record
     * @param asOf the day as of which it is scored, `YYYY-MM-DD`: the runtime has no clock
     * @param automation whether the applicant consents to a decision without a person
     * @throws FieldscoreException.UnknownField for a field that the bundle doesn't have
     */
    @JvmOverloads
    public inline fun application(
        id: String,
        asOf: String,
        automation: Boolean = true,
        values: Application.Builder.() -> Unit,
    ): Application = build(builder().apply(values), id, asOf, automation)

    /** As [application], without a block: [build] makes an application of it. */
    public fun builder(): Application.Builder = Application.Builder(this)

    /** As [application], of what a [builder] of this scorer has been given. */
    @JvmOverloads
    public fun build(builder: Application.Builder, id: String, asOf: String, automation: Boolean = true): Application =
        builder.build(id, asOf, automation)

    /**
     * Scores one application.
     *
     * @throws FieldscoreException with a code that starts with `field.`, and the field at fault
     */
    public fun score(application: Application): Decision = on {
        val own = own(application)
        Decision(trays.score(own) ?: it.score(own), info)
    }

    /** Scores many applications at once, which costs less for each; one that is refused keeps none of the others up. */
    public fun scoreMany(applications: List<Application>): List<Scored> = on { scorer ->
        scorer.scoreMany(applications.map { own(it) }).map { Scored.of(it, info) }
    }

    /**
     * Scores one application with contributions and reasons, their texts in the language that serves [language] best.
     *
     * @param language BCP-47, such as `Locale.getDefault().toLanguageTag()`
     * @throws FieldscoreException as [score]
     */
    public fun explain(application: Application, language: String): Explanation =
        on { Explanation(it.explain(own(application), language), info) }

    /**
     * What would change the decision on a declined or referred application: up to three alternatives, those with the fewest
     * changes first. Each has been scored with its changes and reaches a better outcome. It takes a thousand scores or two: some
     * milliseconds on a phone, so call it off the main thread for a large model.
     *
     * @throws FieldscoreException as [score]
     */
    public fun alternatives(application: Application): List<Alternative> =
        on { scorer -> scorer.alternatives(own(application)).map { Alternative(it, info) } }

    /**
     * A decision's record with [alternatives] in it too: what an applicant was shown, for whoever asks later.
     *
     * @throws FieldscoreException as [verifyRecord]
     */
    public fun recordAlternatives(record: ByteArray): ByteArray = on { it.recordAlternatives(record) }

    /**
     * Runs the bundle's known-answer vectors on this device and says how many there are.
     *
     * @throws FieldscoreException.SelfTest where one comes out differently
     */
    public fun selfTest(): Int = on { it.selfTest().toInt() }

    /** A text of the bundle in the language that serves [language] best, such as `field.income.label`. */
    public fun text(key: String, language: String): String? = on { it.text(key, language) }

    /**
     * Scores a record's application again and says whether the same bytes come out.
     *
     * @throws FieldscoreException.BadRecord for what is no record
     * @throws FieldscoreException.WrongBundle for another bundle's
     */
    public fun replay(record: ByteArray): Boolean = on { it.replay(record) }

    /**
     * Scores a record's application again, and gives the decision where the same record comes out, with the policy's terms
     * and each rule that was tried.
     *
     * @throws FieldscoreException.BadRecord for what is no record, or where another one comes out
     * @throws FieldscoreException.WrongBundle for another bundle's
     */
    public fun verifyRecord(record: ByteArray): VerifiedRecord = on { VerifiedRecord(it.verifyRecord(record), info) }

    /**
     * Counts decisions, by their records, in a summary: what applications' values, scores and outcomes are, in bins, and
     * nothing that names anybody. Keep it on the device for the next ones; [shareSummary] is what may be sent.
     *
     * @param summary the summary so far; without, a new one
     * @throws FieldscoreException.Unsupported where the bundle has no histogram
     * @throws FieldscoreException.WrongBundle for another bundle's record or summary
     * @throws FieldscoreException.BadRecord for what is no record
     * @throws FieldscoreException.BadSummary for what is no summary
     */
    @JvmOverloads
    public fun summarise(records: List<ByteArray>, summary: ByteArray? = null): ByteArray =
        on { it.summarise(summary, records) }

    /**
     * A summary to send; start a new one after it.
     *
     * @throws FieldscoreException.TooFew below 20 decisions, which would show what each was like
     */
    public fun shareSummary(summary: ByteArray): ByteArray = on { it.shareSummary(summary) }

    /**
     * The notice of a decision on record, in the language that serves [language] best. The record is scored again first.
     *
     * @throws FieldscoreException.BadRecord for what is no record, or where another decision comes out
     * @throws FieldscoreException.WrongBundle for another bundle's
     */
    public fun notice(record: ByteArray, language: String): Notice = on { Notice(it.notice(record, language)) }

    /**
     * The codes of the reasons for which staff may override a decision; `override.CODE` is the [text] of one. None where
     * the bundle allows no override.
     */
    public fun overrideReasons(): List<String> = on { it.overrideReasons() }

    /**
     * A person's decision in the place of the one on record, to be kept beside it: the record stays as it is.
     *
     * @throws FieldscoreException.BadRecord with what does not hold
     */
    public fun overrideDecision(record: ByteArray, made: DecisionOverride): ByteArray =
        on { it.overrideDecision(record, made.generated) }

    /**
     * Reads an override and holds it against its record.
     *
     * @throws FieldscoreException.BadRecord with what does not hold
     * @throws FieldscoreException.WrongBundle for another bundle's record
     */
    public fun checkOverride(record: ByteArray, override: ByteArray): DecisionOverride =
        on { DecisionOverride(it.checkOverride(record, override)) }

    /** Frees its memory, once no other thread is using it any more. */
    override fun close() {
        closed = true
        trays.close()
        generated.close()
    }

    override fun toString(): String = "FieldScorer(${info.product} ${info.sequence})"

    private fun own(application: Application) =
        if (application.bundleId === info.bundleId || application.bundleId == info.bundleId) {
            application.generated
        } else {
            throw FieldscoreException.WrongBundle("application.bundle", "application", "one made for this bundle")
        }

    private inline fun <T> on(work: (GeneratedScorer) -> T): T {
        check(!closed) { "FieldScorer: closed; open the bundle again" }
        return calling { work(generated) }
    }

    public companion object {
        /**
         * Opens a bundle: verifies its signature under one of the keys, and validates all of it.
         *
         * @throws FieldscoreException with a code that starts with `bundle.`
         */
        @JvmStatic
        public fun open(bundle: ByteArray, keys: List<PublicKey>): FieldScorer =
            calling { FieldScorer(GeneratedScorer.open(bundle, keys.map { it.bytes })) }

        /**
         * As [open], from a file, which is read and closed.
         *
         * @throws FieldscoreException.Io where it can't be read
         */
        @JvmStatic
        public fun open(path: String, keys: List<PublicKey>): FieldScorer =
            calling { FieldScorer(GeneratedScorer.openPath(path, keys.map { it.bytes })) }

        /**
         * As [open], from a stream, which is read to its end; closing it is the caller's.
         *
         * @throws FieldscoreException.Io where it can't be read
         * @throws FieldscoreException.NotABundle where it is longer than any bundle
         */
        @JvmStatic
        public fun open(bundle: InputStream, keys: List<PublicKey>): FieldScorer =
            open(bundle.bundle(), keys)

        /** Whether a BCP-47 language is written from right to left. */
        @JvmStatic
        public fun isRightToLeft(language: String): Boolean =
            calling { org.fieldscore.ffi.isRightToLeft(language) }
    }
}

/** The longest that a bundle may be (docs/bundle-format.md). */
private const val LONGEST = 64 shl 20

/** A stream's bytes, which somebody may have picked: what is longer than any bundle is not read to its end. */
internal fun InputStream.bundle(): ByteArray = reading("bundle") {
    val bytes = ByteArrayOutputStream()
    val part = ByteArray(16_384)
    while (true) {
        val length = read(part)
        if (length < 0) break
        if (length > LONGEST - bytes.size()) {
            throw FieldscoreException.NotABundle("bundle.not_a_bundle", "bundle", "at most 64 MiB")
        }
        bytes.write(part, 0, length)
    }
    bytes.toByteArray()
}
