package org.fieldscore

import java.io.ByteArrayInputStream
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.nio.file.Path
import org.fieldscore.Golden.approved
import org.fieldscore.ffi.FieldscoreException as Generated
import org.fieldscore.ffi.InternalException
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** Every kind of error, with its code. */
class ErrorsTest {
    private val surgery = Surgery()

    private inline fun <reified E : FieldscoreException> thrown(code: String, field: String? = null, noinline work: () -> Any?) {
        val error = assertThrows(E::class.java) { work() }
        assertEquals(code, error.code)
        assertEquals(field, error.field)
        assertEquals("${error.place}: ${error.expected} [$code]", error.message)
        assertTrue(error.expected.isNotBlank())
        assertFalse("4711" in error.toString(), "$error")
    }

    private fun resigned(bundle: ByteArray) = FieldScorer.open(bundle, surgery.keys)

    @Test
    fun filesThatCannotBeRead(@TempDir folder: Path) {
        thrown<FieldscoreException.Io>("io") { FieldScorer.open(folder.resolve("none.fsb").toString(), Golden.keys) }
        val broken = object : InputStream() {
            override fun read(): Int = throw IOException("the stick was pulled")
        }
        thrown<FieldscoreException.Io>("io") { FieldScorer.open(broken, Golden.keys) }
        FieldScorer.open(Golden.path, Golden.keys).use { assertEquals("credit", it.info.product) }
        FieldScorer.open(ByteArrayInputStream(Golden.bundle), Golden.keys).use { assertEquals("credit", it.info.product) }
    }

    @Test
    fun bytesThatAreNoBundle() {
        for (bytes in listOf(ByteArray(0), ByteArray(1000), Golden.bundle.copyOf(200))) {
            thrown<FieldscoreException.NotABundle>("bundle.not_a_bundle") { FieldScorer.open(bytes, Golden.keys) }
        }
    }

    @Test
    fun streamsThatDoNotEnd() {
        var taken = 0L
        val endless = object : InputStream() {
            override fun read(): Int = 0

            override fun read(bytes: ByteArray, start: Int, length: Int): Int = length.also { taken += it }
        }
        thrown<FieldscoreException.NotABundle>("bundle.not_a_bundle") { FieldScorer.open(endless, Golden.keys) }
        assertTrue(taken in (64L shl 20)..(65L shl 20), "$taken")
    }

    @Test
    fun bundlesForNewerRuntimes() {
        val bundle = surgery.signed { it.putShort(32, 99) }
        thrown<FieldscoreException.Unsupported>("bundle.unsupported") { resigned(bundle) }
    }

    @Test
    fun keysThatDidNotSign() {
        val other = PublicKey.ofHex("11".repeat(32))
        thrown<FieldscoreException.UntrustedKey>("bundle.untrusted_key") { FieldScorer.open(Golden.bundle, listOf(other)) }
        FieldScorer.open(Golden.bundle, listOf(other) + Golden.keys).use { assertEquals(16, it.selfTest()) }
        thrown<FieldscoreException.WrongType>("field.type") { FieldScorer.open(Golden.bundle, emptyList()) }
    }

    @Test
    fun headersThatWereChanged() {
        val bytes = Golden.bundle.copyOf().also { it[150] = (it[150] + 1).toByte() }
        thrown<FieldscoreException.BadSignature>("bundle.signature") { FieldScorer.open(bytes, Golden.keys) }
    }

    @Test
    fun sectionsThatWereChanged() {
        val bytes = Golden.bundle.copyOf().also { it[9000] = (it[9000] + 1).toByte() }
        thrown<FieldscoreException.Altered>("bundle.altered") { FieldScorer.open(bytes, Golden.keys) }
    }

    @Test
    fun signedNonsense() {
        val bundle = surgery.signed { it.put(Surgery.section(it, "PLCY").first, -1) }
        thrown<FieldscoreException.Malformed>("bundle.malformed") { resigned(bundle) }
    }

    @Test
    fun answersThatComeOutOtherwise() {
        resigned(surgery.signed()).use { assertEquals(16, it.selfTest()) }
        resigned(surgery.signed { Surgery.scaled(it) { factor -> factor * 2 } }).use { scorer ->
            thrown<FieldscoreException.SelfTest>("bundle.self_test") { scorer.selfTest() }
        }
    }

    /** No bundle in int8 can give an answer that is no number, and nothing here panics: how these are told is what is seen. */
    @Test
    fun everyKindOfTheRuntimeHasItsOwn() {
        val code = "some.code"
        val kinds = mapOf(
            Generated.Io(code, "p", "e") to FieldscoreException.Io::class.java,
            Generated.NotABundle(code, "p", "e") to FieldscoreException.NotABundle::class.java,
            Generated.Unsupported(code, "p", "e") to FieldscoreException.Unsupported::class.java,
            Generated.UntrustedKey(code, "p", "e") to FieldscoreException.UntrustedKey::class.java,
            Generated.BadSignature(code, "p", "e") to FieldscoreException.BadSignature::class.java,
            Generated.Altered(code, "p", "e") to FieldscoreException.Altered::class.java,
            Generated.Malformed(code, "p", "e") to FieldscoreException.Malformed::class.java,
            Generated.SelfTest(code, "p", "e") to FieldscoreException.SelfTest::class.java,
            Generated.UnknownField(code, "p", "e") to FieldscoreException.UnknownField::class.java,
            Generated.WrongType(code, "p", "e") to FieldscoreException.WrongType::class.java,
            Generated.OutOfRange(code, "p", "e") to FieldscoreException.OutOfRange::class.java,
            Generated.Missing(code, "p", "e") to FieldscoreException.Missing::class.java,
            Generated.UnknownCategory(code, "p", "e") to FieldscoreException.UnknownCategory::class.java,
            Generated.WrongBundle(code, "p", "e") to FieldscoreException.WrongBundle::class.java,
            Generated.NotFinite(code, "p", "e") to FieldscoreException.NotFinite::class.java,
            Generated.BadRecord(code, "p", "e") to FieldscoreException.BadRecord::class.java,
            Generated.Refused(code, "p", "e") to FieldscoreException.Refused::class.java,
            Generated.Empty(code, "p", "e") to FieldscoreException.Empty::class.java,
            Generated.Other(code, "p", "e") to FieldscoreException.Other::class.java,
        )
        for ((generated, kind) in kinds) {
            val error = assertThrows(FieldscoreException::class.java) { calling { throw generated } }
            assertEquals(kind, error.javaClass)
            assertEquals("p: e [some.code]", error.message)
        }
        val panic = assertThrows(FieldscoreException.Other::class.java) { calling { throw InternalException("4711") } }
        assertEquals("internal", panic.code)
        assertFalse("4711" in panic.stackTraceToString())
        assertTrue(refusal("model.not_finite", "p", "e") is FieldscoreException.NotFinite)
        assertTrue(refusal("newer.code", "p", "e") is FieldscoreException.Other)
    }

    @Test
    fun fieldsThatAreNotThere() {
        Golden.open().use { scorer ->
            val error = assertThrows(FieldscoreException.UnknownField::class.java) { scorer.approved { "incom" to 1 } }
            assertEquals("field.unknown" to "incom", Pair(error.code, error.field))
        }
    }

    @Test
    fun valuesThatAreRefused() {
        Golden.open().use { scorer ->
            for (wrong in listOf("secret-4711", true, 0.5, Double.NaN, Double.POSITIVE_INFINITY, listOf(4711), Long.MAX_VALUE)) {
                thrown<FieldscoreException.WrongType>("field.type", "income") {
                    scorer.score(scorer.approved { "income" to wrong })
                }
            }
            thrown<FieldscoreException.WrongType>("field.type", "income") {
                scorer.explain(scorer.approved { setText("income", "4711 ducats") }, "en")
            }
            val refused = mapOf("amount" to 471_147_114_711L, "time" to -4711)
            refused.forEach { (field, value) ->
                thrown<FieldscoreException.OutOfRange>("field.range", field) {
                    scorer.score(scorer.approved { set(field, value) })
                }
            }
            thrown<FieldscoreException.Missing>("field.missing", "records") {
                scorer.score(scorer.approved { "records" to null })
            }
            thrown<FieldscoreException.UnknownCategory>("field.category", "records") {
                scorer.score(scorer.approved { "records" to "perhaps-4711" })
            }
            for (day in listOf("", "1.9.2026", "2026-02-30", "4711")) {
                thrown<FieldscoreException.WrongType>("field.type") { scorer.score(scorer.approved(asOf = day)) }
            }
            assertEquals(Outcome.APPROVE, scorer.score(scorer.approved()).outcome)
        }
    }

    /** What a broken paste leaves: it has no form in UTF-8. */
    @Test
    fun halvesOfCharacters() {
        Golden.open().use { scorer ->
            for (half in listOf("4711\ud83d", "\ude00", "\ud83d4711", "\ude00\ud83d")) {
                thrown<FieldscoreException.WrongType>("field.type", "income") { scorer.approved { setText("income", half) } }
                thrown<FieldscoreException.WrongType>("field.type", "job") { scorer.approved { "job" to half } }
                thrown<FieldscoreException.WrongType>("field.type") { scorer.score(scorer.approved(id = half)) }
                thrown<FieldscoreException.WrongType>("field.type") { scorer.scoreMany(listOf(scorer.approved(asOf = half))) }
                thrown<FieldscoreException.WrongType>("field.type") { scorer.explain(scorer.approved(), half) }
                thrown<FieldscoreException.WrongType>("field.type") { scorer.approved { half to 1 } }
                thrown<FieldscoreException.WrongType>("field.type") { scorer.text(half, "en") }
            }
            thrown<FieldscoreException.UnknownCategory>("field.category", "records") {
                scorer.score(scorer.approved { "records" to "\ud83d\ude00" })
            }
            assertEquals(Outcome.APPROVE, scorer.score(scorer.approved(id = "\ud83d\ude00")).outcome)
        }
    }

    @Test
    fun oneOfManyIsRefusedAlone() {
        Golden.open().use { scorer ->
            val wrongs = listOf<Application.Builder.() -> Unit>(
                { "income" to "x-4711" }, { "time" to -4711 }, { "records" to null }, { "records" to "perhaps-4711" },
            )
            val all = scorer.scoreMany(wrongs.map { scorer.approved(change = it) } + scorer.approved())
            val alone = wrongs.map { wrong ->
                assertThrows(FieldscoreException::class.java) { scorer.score(scorer.approved(change = wrong)) }
            }
            alone.zip(all).forEach { (error, one) ->
                val other = (one as Scored.Refused).error
                assertEquals(error.javaClass, other.javaClass)
                assertEquals(error.message, other.message)
            }
            assertEquals(scorer.score(scorer.approved()), all.last().get())
            assertEquals(emptyList<Scored>(), scorer.scoreMany(emptyList()))
        }
    }

    @Test
    fun otherBundles() {
        Golden.open().use { golden ->
            resigned(surgery.signed()).use { other ->
                val application = golden.approved()
                thrown<FieldscoreException.WrongBundle>("application.bundle") { other.score(application) }
                thrown<FieldscoreException.WrongBundle>("application.bundle") { other.scoreMany(listOf(application)) }
                val record = golden.score(application).record
                thrown<FieldscoreException.WrongBundle>("application.bundle") { other.replay(record) }
                Golden.open().use { same -> assertArrayEquals(record, same.score(application).record) }
            }
        }
    }

    @Test
    fun bytesThatAreNoRecord() {
        Golden.open().use { scorer ->
            val record = scorer.score(scorer.approved()).record
            for (bytes in listOf(ByteArray(0), ByteArray(100), record.copyOf(record.size - 1))) {
                thrown<FieldscoreException.BadRecord>("record.malformed") { scorer.replay(bytes) }
            }
        }
    }

    @Test
    fun storesInstallAndRefuse(@TempDir folder: Path) {
        val place = folder.resolve("bundles").toString()
        BundleStore(place, "credit", Golden.keys + surgery.keys).use { store ->
            thrown<FieldscoreException.Empty>("store.empty") { store.open() }
            val record = store.install(Golden.bundle).use { it.score(it.approved()).record }
            store.open().use { assertArrayEquals(record, it.score(it.approved()).record) }
            // The same bundle again is no fault.
            store.install(ByteArrayInputStream(Golden.bundle)).use { assertArrayEquals(record, it.score(it.approved()).record) }
            // The same sequence number, of another bundle.
            thrown<FieldscoreException.Refused>("store.refused") { store.install(surgery.signed()) }
            thrown<FieldscoreException.NotABundle>("bundle.not_a_bundle") { store.install(Golden.bundle.copyOf(100)) }
            val wrong = surgery.signed { Surgery.scaled(it) { factor -> factor * 2 } }
            BundleStore(folder.resolve("empty").toString(), "credit", surgery.keys).use { empty ->
                thrown<FieldscoreException.SelfTest>("bundle.self_test") { empty.install(wrong) }
                thrown<FieldscoreException.Empty>("store.empty") { empty.open() }
            }
            assertEquals(Golden.open().info.bundleId, store.open().use { it.info.bundleId })
        }
        BundleStore(place, "credit", Golden.keys).use { again -> assertEquals("credit", again.open().use { it.info.product }) }
        BundleStore(folder.resolve("other").toString(), "mortgage", Golden.keys).use { other ->
            thrown<FieldscoreException.Refused>("store.refused") { other.install(Golden.bundle) }
        }
        val file = File(folder.toFile(), "file").apply { writeText("x") }
        thrown<FieldscoreException.Io>("io") { BundleStore(File(file, "below").path, "credit", Golden.keys) }
        thrown<FieldscoreException.WrongType>("field.type") { BundleStore(place, "credit", emptyList()) }
    }
}
