package org.fieldscore

import java.util.concurrent.Callable
import java.util.concurrent.CyclicBarrier
import java.util.concurrent.Executors
import org.fieldscore.Golden.application
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** The golden suite, byte for byte. */
class GoldenTest {
    @Test
    fun plainDecisionsAreTheRecordedBytes() {
        Golden.open().use { scorer ->
            val rows = Golden.rows.map { scorer.application(it) }
            assertEquals(10_000, rows.size)
            val records = rows.map { Golden.recorded { scorer.score(it).record } }
            assertEquals(Golden.digest("plain 10000"), Golden.digest(records))
        }
    }

    @Test
    fun explainedDecisionsAreTheRecordedBytes() {
        Golden.open().use { scorer ->
            val rows = Golden.rows.take(1000).map { scorer.application(it) }
            val records = rows.map { Golden.recorded { scorer.explain(it, "en").decision.record } }
            assertEquals(Golden.digest("explained 100"), Golden.digest(records.take(100)))
            assertEquals(Golden.digest("explained 1000"), Golden.digest(records))
        }
    }

    @Test
    fun alternativesAreTheRecordedOnes() {
        Golden.open().use { scorer ->
            val lines = Golden.rows.take(100).map { row ->
                try {
                    val found = scorer.alternatives(scorer.application(row)).joinToString("") { one ->
                        val changes = one.changes.entries.joinToString(",") { (name, value) -> "$name=$value" }
                        "$changes ${one.outcome.name.lowercase()} ${one.score} ${one.probabilityPpm}\n"
                    }
                    "${row[0]}\n$found"
                } catch (error: FieldscoreException) {
                    "${error.code}\n"
                }
            }
            assertEquals(Golden.digest("alternatives 100"), Golden.digest(lines.map { it.toByteArray() }))
        }
    }

    @Test
    fun recordsAreScoredAgain() {
        Golden.open().use { scorer ->
            val records = Golden.rows.take(100).mapNotNull { row ->
                runCatching { scorer.explain(scorer.application(row), "en").decision.record }.getOrNull()
            }
            records.forEach { record ->
                val verified = scorer.verifyRecord(record)
                val score = verified.trace.first()
                assertEquals("score", score.table)
                assertEquals(verified.decision.score.toString(), score.saw["score"])
                assertTrue(score.held && verified.trace.any { it.table == "knock_out" && it.rule == "K01" })
                assertTrue(verified.terms.isEmpty())
                val forged = record.clone().also { it[it.size - 1] = (it.last() + 1).toByte() }
                assertThrows(FieldscoreException.BadRecord::class.java) { scorer.verifyRecord(forged) }
            }
            assertTrue(records.isNotEmpty())
        }
    }

    @Test
    fun noticesAreTheRecordedOnes() {
        Golden.open().use { scorer ->
            val applications = Golden.rows.take(100).map { scorer.application(it) }
            val records = applications.mapNotNull { runCatching { scorer.score(it).record }.getOrNull() }.take(12)
            for (language in listOf("en", "zh")) {
                val notices = records.map { scorer.notice(it, language).text }
                assertEquals(Golden.notices(language), notices.joinToString("\n---\n\n"))
            }
            assertTrue(scorer.overrideReasons().isEmpty())
            val made = DecisionOverride("T-17", Outcome.REFER, "O1", "2026-09-01")
            assertThrows(FieldscoreException.BadRecord::class.java) { scorer.overrideDecision(records[0], made) }
            assertThrows(FieldscoreException.BadRecord::class.java) { scorer.checkOverride(records[0], records[0]) }
        }
    }

    @Test
    fun bundlesOfEveryFamilyGiveTheRecordedBytes() {
        val known = Golden.families.filter { it.features and Golden.features.inv() == 0L }
        var decided = 0
        known.forEach { family ->
            decided++
            FieldScorer.open(family.bundle, Golden.keys).use { scorer ->
                family.digests.forEach { (kind, count, recorded) ->
                    val applications = family.applications(scorer, count.toInt())
                    assertEquals(count.toInt(), applications.size)
                    val records = applications.map { application ->
                        Golden.recorded {
                            if (kind == "plain") scorer.score(application).record else scorer.explain(application, "en").decision.record
                        }
                    }
                    assertEquals(recorded, Golden.digest(records), "${family.name}: $kind $count")
                }
            }
        }
        assertTrue(decided > 5, "$decided families")
    }

    @Test
    fun summariesAreTheRecordedBytes() {
        val family = Golden.families.first { it.name == "watched" }
        FieldScorer.open(family.bundle, Golden.keys).use { scorer ->
            val records = family.applications(scorer, 1000).map { scorer.score(it).record }
            val few = scorer.summarise(records.take(19))
            assertThrows(FieldscoreException.TooFew::class.java) { scorer.shareSummary(few) }
            val all = scorer.summarise(records.drop(19), few)
            assertEquals(family.summary, Golden.digest(listOf(scorer.shareSummary(all))))
            assertThrows(FieldscoreException.BadSummary::class.java) { scorer.shareSummary(all.copyOf(all.size - 1)) }
            Golden.open().use { plain ->
                assertThrows(FieldscoreException.Unsupported::class.java) { plain.summarise(records) }
            }
        }
    }

    @Test
    fun recordsKeepWhatAChallengerSaysAndAlternatives() {
        val family = Golden.families.first { it.name == "challenger" }
        FieldScorer.open(family.bundle, Golden.keys).use { scorer ->
            val assigned = family.applications(scorer, 50).count { application ->
                val record = scorer.explain(application, "en").decision.record
                val shadow = scorer.verifyRecord(record).challenger
                val shown = scorer.recordAlternatives(record)
                assertTrue(shown.size > record.size && scorer.replay(shown))
                assertEquals(shadow?.score, scorer.verifyRecord(shown).challenger?.score)
                if (shadow != null) assertTrue(shadow.score >= 300 && shadow.probabilityPpm >= 100)
                shadow != null
            }
            assertTrue(assigned in 4..24, "$assigned")
        }
    }

    /** Nets of tensor steps, tables and several outputs are not in the library that phones load: they are refused for what they are. */
    @Test
    fun whatTheLibraryHasNotIsRefused() {
        val beyond = Golden.families.filter { it.features and Golden.features.inv() != 0L }
        var refused = 0
        beyond.forEach { family ->
            refused++
            assertThrows(FieldscoreException.Unsupported::class.java, { FieldScorer.open(family.bundle, Golden.keys) }, family.name)
        }
        assertEquals(Golden.features == 0b1100101L, refused > 0)
    }

    @Test
    fun manyAtOnceAreTheSameBytes() {
        Golden.open().use { scorer ->
            val rows = Golden.rows.map { scorer.application(it) }
            val records = rows.chunked(999).flatMap { scorer.scoreMany(it) }.map { Golden.recorded { it.get().record } }
            assertEquals(Golden.digest("plain 10000"), Golden.digest(records))
        }
    }

    @Test
    fun eightThreadsDecideAsOne() {
        Golden.open().use { scorer ->
            val rows = Golden.rows.take(1000)
            val work = {
                rows.flatMap { row ->
                    val application = scorer.application(row)
                    val explained = Golden.recorded { scorer.explain(application, "en").decision.record }
                    listOf(Golden.recorded { scorer.score(application).record }, explained)
                }
            }
            val alone = Golden.digest(work())
            val start = CyclicBarrier(8)
            val pool = Executors.newFixedThreadPool(8)
            val futures = List(8) {
                pool.submit(
                    Callable {
                        start.await()
                        Golden.digest(work())
                    },
                )
            }
            assertEquals(List(8) { alone }, futures.map { it.get() })
            pool.shutdown()
        }
    }

    @Test
    fun recordsReplay() {
        Golden.open().use { scorer ->
            val application = scorer.application(Golden.rows[1])
            assertTrue(scorer.replay(scorer.score(application).record))
            assertTrue(scorer.replay(scorer.explain(application, "en").decision.record))
        }
    }

    @Test
    fun knownAnswersComeOut() {
        Golden.open().use { scorer -> assertEquals(16, scorer.selfTest()) }
    }
}
