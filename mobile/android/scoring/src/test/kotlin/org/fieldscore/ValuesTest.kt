package org.fieldscore

import java.math.BigDecimal
import org.fieldscore.Golden.application
import org.fieldscore.Golden.approved
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Values in, decisions out, and what a form needs. */
class ValuesTest {
    @Test
    fun typedAndTextFormsGiveTheSameRecord() {
        Golden.open().use { scorer ->
            val typed = scorer.score(scorer.approved())
            val texts = listOf("A-1", "2026-09-01", "12", "owner", "36", "no", "fixed", "60", "214", "10000", "0", "900", "1400")
            assertEquals(typed, scorer.score(scorer.application(texts)))
            val forms = listOf(214L, 214.0, 214f, 214.toShort(), BigDecimal("214"), BigDecimal("2.14E+2"))
            for (form in forms) {
                assertEquals(typed, scorer.score(scorer.approved { "income" to form }), form.javaClass.name)
            }
            val built = scorer.builder().set("income", 1).setText("income", "214")
            Golden.names.zip(texts.drop(2)).forEach { (name, text) -> if (name != "income") built.setText(name, text) }
            assertEquals(typed, scorer.score(scorer.build(built, "A-1", "2026-09-01")))
            assertEquals(Outcome.APPROVE, typed.outcome)
            assertTrue(typed.probabilityPpm in 100..999_900)
        }
    }

    @Test
    fun nullIsNoValue() {
        Golden.open().use { scorer ->
            val decision = scorer.score(scorer.approved { "assets" to null })
            assertEquals(listOf("assets"), decision.missing)
            assertEquals(setOf(Flag.MISSING), decision.flags)
            assertEquals(emptyList<String>(), scorer.score(scorer.approved()).missing)
        }
    }

    @Test
    fun contributionsSumToTheScore() {
        Golden.open().use { scorer ->
            val explained = scorer.explain(scorer.approved(), "en")
            val more = explained.decision.score - explained.referenceScore
            assertEquals(more, explained.groups.values.sum())
            assertEquals(more, explained.fields.values.sum())
            assertEquals(scorer.info.groups.map { it.code }, explained.groups.keys.toList())
            assertEquals(Golden.names, explained.fields.keys.toList())
            assertEquals(scorer.score(scorer.approved()).score, explained.decision.score)
            assertNotEquals(scorer.score(scorer.approved()), explained.decision)
        }
    }

    @Test
    fun reasonsComeInTheLanguage() {
        Golden.open().use { scorer ->
            val application = scorer.approved(automation = false)
            val english = scorer.explain(application, "en")
            val chinese = scorer.explain(application, "zh-Hans-CN")
            assertEquals(Outcome.REFER, english.decision.outcome)
            assertTrue(Flag.AUTOMATION_REFUSED in english.decision.flags)
            assertEquals("S1", english.reasons.first().code)
            assertEquals(english.reasons.map { it.code }, chinese.reasons.map { it.code })
            english.reasons.zip(chinese.reasons).forEach { (one, other) -> assertNotEquals(one.text, other.text) }
            val low = scorer.explain(scorer.application(Golden.rows[1]), "en").reasons
            assertTrue(low.any { it.field in Golden.names })
        }
    }

    @Test
    fun theSchemaHasWhatAFormNeeds() {
        Golden.open().use { scorer ->
            val info = scorer.info
            assertEquals("credit", info.product)
            assertEquals(listOf("en", "zh"), info.languages)
            assertEquals(Golden.names, info.fields.map { it.name })
            assertFalse(info.scoreAsTyped)
            assertEquals(64, info.bundleId.toString().length)
            assertEquals(32, info.bundleId.toByteArray().size)
            assertTrue(info.notBefore!! < info.notAfter!!)
            assertTrue(info.evaluations > 1 && info.kernels.isNotEmpty() && info.sequence > 0)
            val home = info.fields.first { it.name == "home" }
            assertTrue("owner" in (home.type as FieldType.Category).codes)
            assertEquals("Owns the home", scorer.text("field.home.category.owner", "en"))
            assertEquals(scorer.text("field.home.label", "de"), scorer.text("field.home.label", "en"))
            assertNotEquals(scorer.text("field.home.label", "zh"), scorer.text("field.home.label", "en"))
            assertEquals(null, scorer.text("field.nothing.label", "en"))
            for (field in info.fields) {
                assertTrue(field.group in info.groups && field.reasonCode.isNotEmpty())
                assertEquals(field.required, field.missing == Answer.REFUSE)
                val type = field.type
                if (type is FieldType.Numeric) type.range?.let { assertTrue(it.start < it.endInclusive) }
            }
            assertTrue(info.fields.any { (it.type as? FieldType.Numeric)?.range != null })
            assertTrue(FieldScorer.isRightToLeft("ar-EG") && !FieldScorer.isRightToLeft("en"))
        }
    }

    @Test
    fun daysAreDays() {
        val days = mapOf(0L to "1970-01-01", -1L to "1969-12-31", 11_016L to "2000-02-29", 20_697L to "2026-09-01")
        days.forEach { (number, text) -> assertEquals(text, day(number)) }
        assertEquals("1800-01-01", day(-62_091))
        assertEquals("2399-12-31", day(157_053))
    }

    @Test
    fun outsideItsDaysABundleRefers() {
        Golden.open().use { scorer ->
            val late = scorer.score(scorer.approved(asOf = "2040-01-01"))
            assertEquals(Outcome.REFER to setOf(Flag.EXPIRED), Pair(late.outcome, late.flags))
            val early = scorer.score(scorer.approved(asOf = "2020-01-01"))
            assertEquals(Outcome.REFER to setOf(Flag.NOT_YET_VALID), Pair(early.outcome, early.flags))
        }
    }

    @Test
    fun rulesThatFireAreNamed() {
        Golden.open().use { scorer ->
            val decision = scorer.score(scorer.approved { "records" to "yes"; "income" to null })
            assertEquals(1, decision.rules.size)
            assertTrue(decision.rules.single() in scorer.info.rules)
        }
    }

    @Test
    fun nothingShowsAnApplicant() {
        Golden.open().use { scorer ->
            val application = scorer.approved(id = "secret-id") { "income" to 73_913 }
            val shown = listOf(application, scorer.score(application), scorer.explain(application, "en"), Minor(73_913), scorer)
            shown.forEach { assertFalse("73" in "$it" || "secret" in "$it", "$it") }
        }
    }

    @Test
    fun keysAreReadInBothForms() {
        val digits = Golden.keys.single().toString()
        val bytes = ByteArray(32) { digits.substring(2 * it, 2 * it + 2).toInt(16).toByte() }
        assertEquals(Golden.keys.single(), PublicKey.of(bytes))
        assertEquals(Golden.keys.single(), PublicKey.ofHex(digits.uppercase() + "\n"))
        assertEquals(Golden.keys.single().hashCode(), PublicKey.of(bytes).hashCode())
        for (wrong in listOf("", "abc", "zz".repeat(32), digits + "00")) {
            assertThrows(FieldscoreException.WrongType::class.java) { PublicKey.ofHex(wrong) }
        }
        assertThrows(FieldscoreException.WrongType::class.java) { PublicKey.of(ByteArray(31)) }
    }
}
