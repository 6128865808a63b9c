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
        val root = checkNotNull(System.getProperty("fieldscore.root")) { "start with: cargo xtask android" }
        val source = File(root, "mobile/android/scoring/src/test/kotlin/org/fieldscore/ReadmeTest.kt").readText()
        val lines = source.split("        // README\n")
        assertEquals(3, lines.size)
        assertTrue(lines[1].trimIndent() in File(root, "mobile/android/README.md").readText())
        assertTrue(lines[1].trimIndent() in File(root, "README.md").readText())
    }
}
