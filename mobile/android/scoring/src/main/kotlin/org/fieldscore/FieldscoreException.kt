package org.fieldscore

import java.io.IOException
import java.nio.charset.CharacterCodingException
import org.fieldscore.ffi.FieldscoreException as Generated
import org.fieldscore.ffi.InternalException

/**
 * What went wrong. It never holds an applicant's value: it is safe to log and to show.
 *
 * @property code the stable code, the same in every language that Fieldscore has bindings for
 * @property place the section, field, file or argument at fault
 * @property expected what was expected there
 */
public sealed class FieldscoreException(
    public val code: String,
    public val place: String,
    public val expected: String,
    cause: Throwable? = null,
) : Exception("$place: $expected [$code]", cause) {
    /** The field at fault, where one is. */
    public val field: String?
        get() = if (place.startsWith(FIELD)) place.substring(FIELD.length) else null

    /** A file could not be read or written. */
    public class Io internal constructor(code: String, place: String, expected: String, cause: Throwable? = null) :
        FieldscoreException(code, place, expected, cause)

    /** The bytes are no bundle at all, or end too early. */
    public class NotABundle internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** The bundle needs a newer release of this library. */
    public class Unsupported internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** None of the keys given is the one that the bundle is signed with. */
    public class UntrustedKey internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** The signature does not verify. */
    public class BadSignature internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** A section's bytes are not those that were signed. */
    public class Altered internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** The bundle is signed and whole, but what it says is not valid. */
    public class Malformed internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** A known answer came out differently on this device. */
    public class SelfTest internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** The bundle's applications have no such field. */
    public class UnknownField internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** A value is not of its field's type, or an argument is not what it must be. */
    public class WrongType internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** A value lies outside its field's range, and the field refuses that. */
    public class OutOfRange internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** A field has no value, and refuses that. */
    public class Missing internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** A category is not one of its field's, and the field refuses that. */
    public class UnknownCategory internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** The application or the record was made for another bundle. */
    public class WrongBundle internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** The model produced something that is not a finite number. */
    public class NotFinite internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** The bytes are no record. */
    public class BadRecord internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** The store refuses an update: another product, or not a higher sequence number. */
    public class Refused internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** The store holds no bundle that opens. */
    public class Empty internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** The bytes are no summary. */
    public class BadSummary internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** The summary counts too few decisions to leave the device. */
    public class TooFew internal constructor(code: String, place: String, expected: String) :
        FieldscoreException(code, place, expected)

    /** Something that is newer than this library, or a fault of the library itself: [code] says which. */
    public class Other internal constructor(code: String, place: String, expected: String, cause: Throwable? = null) :
        FieldscoreException(code, place, expected, cause)
}

private const val FIELD = "field "

/** Does what may fail in the runtime; what comes out failed is a [FieldscoreException]. */
internal inline fun <T> calling(work: () -> T): T =
    try {
        work()
    } catch (error: Generated) {
        throw error.public()
    } catch (_: CharacterCodingException) {
        throw halved("argument")
    } catch (_: InternalException) {
        // A panic, caught at the boundary. Its words are not shown: they are not written to be.
        throw FieldscoreException.Other("internal", "runtime", "to end without a panic")
    }

/** Reads or writes what isn't the runtime's. */
internal inline fun <T> reading(what: String, work: () -> T): T =
    try {
        work()
    } catch (error: IOException) {
        throw FieldscoreException.Io("io", what, "to be readable", error)
    }

/** The error of an argument that is no field. */
internal fun wrongArgument(place: String, expected: String): FieldscoreException =
    FieldscoreException.WrongType("field.type", place, expected)

/** The error of a text that has half of a character that takes two. */
internal fun halved(place: String): FieldscoreException = wrongArgument(place, "a text of whole characters")

/** The error of one application among many: by its code, since only codes are stable. */
internal fun refusal(code: String, place: String, expected: String): FieldscoreException =
    when (code) {
        "field.unknown" -> FieldscoreException.UnknownField(code, place, expected)
        "field.type" -> FieldscoreException.WrongType(code, place, expected)
        "field.range" -> FieldscoreException.OutOfRange(code, place, expected)
        "field.missing" -> FieldscoreException.Missing(code, place, expected)
        "field.category" -> FieldscoreException.UnknownCategory(code, place, expected)
        "application.bundle" -> FieldscoreException.WrongBundle(code, place, expected)
        "model.not_finite" -> FieldscoreException.NotFinite(code, place, expected)
        else -> FieldscoreException.Other(code, place, expected)
    }

internal fun Generated.public(): FieldscoreException =
    when (this) {
        is Generated.Io -> FieldscoreException.Io(code, place, expected)
        is Generated.NotABundle -> FieldscoreException.NotABundle(code, place, expected)
        is Generated.Unsupported -> FieldscoreException.Unsupported(code, place, expected)
        is Generated.UntrustedKey -> FieldscoreException.UntrustedKey(code, place, expected)
        is Generated.BadSignature -> FieldscoreException.BadSignature(code, place, expected)
        is Generated.Altered -> FieldscoreException.Altered(code, place, expected)
        is Generated.Malformed -> FieldscoreException.Malformed(code, place, expected)
        is Generated.SelfTest -> FieldscoreException.SelfTest(code, place, expected)
        is Generated.UnknownField -> FieldscoreException.UnknownField(code, place, expected)
        is Generated.WrongType -> FieldscoreException.WrongType(code, place, expected)
        is Generated.OutOfRange -> FieldscoreException.OutOfRange(code, place, expected)
        is Generated.Missing -> FieldscoreException.Missing(code, place, expected)
        is Generated.UnknownCategory -> FieldscoreException.UnknownCategory(code, place, expected)
        is Generated.WrongBundle -> FieldscoreException.WrongBundle(code, place, expected)
        is Generated.NotFinite -> FieldscoreException.NotFinite(code, place, expected)
        is Generated.BadRecord -> FieldscoreException.BadRecord(code, place, expected)
        is Generated.Refused -> FieldscoreException.Refused(code, place, expected)
        is Generated.Empty -> FieldscoreException.Empty(code, place, expected)
        is Generated.BadSummary -> FieldscoreException.BadSummary(code, place, expected)
        is Generated.TooFew -> FieldscoreException.TooFew(code, place, expected)
        is Generated.Other -> FieldscoreException.Other(code, place, expected)
    }
