package org.fieldscore

import java.lang.management.ManagementFactory

private const val ROUNDS = 25
private const val WARM_UP = 15
private const val EXPLAINED = 100

/**
 * Times decisions through the binding, on the golden bundle: one JSON object a figure. The time is the
 * calling thread's on a processor; works run in turn, round by round, and the median over the rounds is kept.
 */
fun main() {
    val clock = ManagementFactory.getThreadMXBean()
    Golden.open().use { scorer ->
        val typed = List(1000) { scorer.typed(it) }
        val works = linkedMapOf<String, () -> Any>(
            "score" to { typed.sumOf { scorer.score(it).score } },
            "build and score" to { typed.indices.sumOf { scorer.score(scorer.typed(it)).score } },
            "scoreMany" to { scorer.scoreMany(typed).size },
            "explain" to { typed.take(EXPLAINED).sumOf { scorer.explain(it, "en").decision.score } },
        )
        val times = works.keys.associateWith { ArrayList<Double>() }
        var sink = 0
        repeat(WARM_UP + ROUNDS) { round ->
            for ((name, work) in works) {
                val rows = if (name == "explain") EXPLAINED else typed.size
                val started = clock.currentThreadCpuTime
                sink += work().hashCode()
                val taken = clock.currentThreadCpuTime - started
                if (round >= WARM_UP) times.getValue(name).add(taken.toDouble() / rows)
            }
        }
        for ((name, taken) in times) {
            val median = taken.sorted()[taken.size / 2]
            println("""{"model":"credit","host":"jvm","decision":"$name","median_ns":${median.toLong()}}""")
        }
        check(sink != 1)
    }
}

/** An application that is decided, of typed values. */
private fun FieldScorer.typed(at: Int): Application =
    application("A-$at", "2026-09-01") {
        "seniority" to at % 30
        "home" to "owner"
        "time" to 36
        "records" to "no"
        "job" to "fixed"
        "expenses" to 60
        "income" to 100 + at
        "assets" to 10_000
        "debt" to 0
        "amount" to 900
        "price" to 1400
    }
