package org.fieldscore

import java.io.File
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** The ten lines that README.md shows, as they are there. */
class ReadmeTest {
    @Test
    fun tenLinesToADecision() {
        val bytes = Golden.bundle
        val PUBLIC_KEY = Golden.keys.single().toString()
        val shown = ArrayList<String>()
        fun show(text: String) = shown.add(text)

        // README
        FieldScorer.open(bytes, listOf(PublicKey.ofHex(PUBLIC_KEY))).use { scorer ->
            val application = scorer.application(id = "A-0001", asOf = "2026-09-01") {
                "income" to 150
                "home" to "owner"
                setText("expenses", "60") // as it was typed
                "seniority" to 12; "records" to "no"; "job" to "fixed"; "time" to 36; "amount" to 900; "price" to 1400
            }
            val explanation = scorer.explain(application, language = "en") // or `score`: no contributions
            show("${explanation.decision.outcome} ${explanation.decision.score}")
            explanation.reasons.forEach { show(it.text) }
        }
        // README

        assertTrue(shown.size > 1 && shown.first().matches(Regex("[A-Z]+ \\d+")), shown.toString())
    }

    @Test
    fun theyAreInTheReadme() {
        val lines = shown("mobile/android/scoring/src/test/kotlin/org/fieldscore/ReadmeTest.kt").single()
        assertTrue(lines in text("mobile/android/README.md"))
        assertTrue(lines in text("README.md"))
    }

    /** What needs Android is compiled, in another module. */
    @Test
    fun soIsWhatNeedsAndroid() {
        val readme = text("mobile/android/README.md")
        val snippets = shown("mobile/android/platform/src/readme/kotlin/Readme.kt")
        assertEquals(4, snippets.size)
        snippets.forEach { assertTrue(it in readme, it) }
    }

    @Test
    fun everyErrorSaysWhatToDo() {
        val source = text("mobile/android/scoring/src/main/kotlin/org/fieldscore/FieldscoreException.kt")
        val kinds = Regex("public class (\\w+) internal constructor").findAll(source).map { it.groupValues[1] }.toList()
        assertEquals(21, kinds.size)
        val table = text("mobile/android/README.md").lines().filter { it.startsWith("| `") }
        kinds.forEach { kind -> assertTrue(table.any { "`$kind`" in it.split("|")[1] }, kind) }
    }

    private fun text(name: String): String {
        val root = checkNotNull(System.getProperty("fieldscore.root")) { "start with: cargo xtask android" }
        return File(root, name).readText()
    }

    /** What stands between two marks in a source. */
    private fun shown(source: String): List<String> {
        val parts = text(source).split(Regex(" *// README\n"))
        assertEquals(1, parts.size % 2)
        return parts.filterIndexed { at, _ -> at % 2 == 1 }.map { it.trimIndent().trimEnd() }
    }
}
