package org.fieldscore

import java.io.File
import java.lang.management.ManagementFactory
import java.nio.file.Path
import java.util.Collections
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import org.fieldscore.Golden.application
import org.fieldscore.Golden.approved
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** Closing, memory, the log. */
class LifeTest {
    @Test
    fun closingTwiceIsFineAndUseAfterCloseIsNot() {
        val scorer = Golden.open()
        val other = Golden.open()
        val application = scorer.approved()
        val record = scorer.score(application).record
        scorer.close()
        scorer.close()
        val uses = listOf<() -> Any?>(
            { scorer.score(application) },
            { scorer.scoreMany(listOf(application)) },
            { scorer.explain(application, "en") },
            { scorer.selfTest() },
            { scorer.text("field.home.label", "en") },
            { scorer.replay(record) },
        )
        for (use in uses) {
            val error = assertThrows(IllegalStateException::class.java) { use() }
            assertTrue("closed" in error.message!!, error.message)
        }
        assertEquals(Outcome.APPROVE, other.score(application).outcome)
        other.close()
    }

    @Test
    fun aStoreClosesAndItsScorersStayOpen(@TempDir folder: Path) {
        val store = BundleStore(folder.toString(), "credit", Golden.keys)
        val scorer = store.install(Golden.bundle)
        store.close()
        store.close()
        assertThrows(IllegalStateException::class.java) { store.open() }
        scorer.use { assertEquals(16, it.selfTest()) }
    }

    @Test
    fun closingWhileOthersScoreIsADecisionOrAnError() {
        repeat(20) {
            val scorer = Golden.open()
            val application = scorer.approved()
            val expected = scorer.score(application)
            val wrong = Collections.synchronizedList(ArrayList<Any>())
            val scoring = CountDownLatch(4)
            val threads = List(4) {
                Thread {
                    try {
                        if (scorer.score(application) != expected) wrong.add("another decision")
                        scoring.countDown()
                        while (true) if (scorer.score(application) != expected) wrong.add("another decision")
                    } catch (_: IllegalStateException) {
                        // Closed: what it is waiting for.
                    } catch (error: Throwable) {
                        wrong.add(error)
                    }
                }.apply { start() }
            }
            assertTrue(scoring.await(1, TimeUnit.MINUTES))
            scorer.close()
            threads.forEach { it.join() }
            assertEquals(emptyList<Any>(), wrong)
        }
    }

    /** With a heap that is touched before (pom.xml), so that what the process grows by is outside of it. */
    @Test
    fun aHundredThousandScoresDoNotGrow() {
        Golden.open().use { scorer ->
            val rows = Golden.rows.take(100)
            fun round() = repeat(100) {
                for (row in rows) Golden.recorded { scorer.score(scorer.application(row)).record }
                Golden.open().close()
            }
            // Warm: compiled, the pools full.
            repeat(3) { round() }
            // The JVM's own compilers and allocators take some, once, whenever the machine lets them. What each score left
            // behind would be taken every time: 10 bytes on the heap, 200 outside of it, or a fifth of a bundle's.
            val grown = ArrayList<Pair<Long, Long>>()
            do {
                val (heap, resident) = used()
                repeat(10) { round() }
                val (heapAfter, residentAfter) = used()
                grown.add(heapAfter - heap to residentAfter - resident)
                val steady = heapAfter - heap < 1_000 && residentAfter - resident < 20_000
            } while (!steady && grown.size < 3)
            val (heap, resident) = grown.last()
            assertTrue(heap < 1_000, "the heap grows, by (heap, process) $grown KiB")
            assertTrue(resident < 20_000, "the process grows, by (heap, process) $grown KiB")
        }
    }

    /** KiB that are live on the heap, and that the process has resident. */
    private fun used(): Pair<Long, Long> {
        // What was dropped is let go of on a thread of JNA's, which on a busy machine comes to it late: the least of some.
        val heap = (1..15).minOf {
            Thread.sleep(200)
            System.gc()
            ManagementFactory.getMemoryMXBean().heapMemoryUsage.used / 1024
        }
        val line = File("/proc/self/status").readLines().first { it.startsWith("VmRSS:") }
        return heap to line.filter { it.isDigit() }.toLong()
    }

    @Test
    fun theLogComesAndMayThrow() {
        val lines = Collections.synchronizedList(ArrayList<String>())
        FieldscoreLog.sendTo(FieldscoreLog.Level.DEBUG) { level, text -> lines.add("$level $text") }
        Golden.open().use { it.score(it.approved(id = "secret-4711")) }
        assertTrue(lines.any { it.startsWith("INFO bundle opened: product credit") }, lines.toString())
        assertTrue(lines.none { "4711" in it || "214" in it }, lines.toString())

        var called = 0
        FieldscoreLog.sendTo(FieldscoreLog.Level.TRACE) { _, _ ->
            called++
            error("the sink is full")
        }
        Golden.open().use { assertEquals(Outcome.APPROVE, it.score(it.approved()).outcome) }
        assertTrue(called > 0)

        FieldscoreLog.stop()
        val count = called
        Golden.open().close()
        assertEquals(count, called)
    }
}
