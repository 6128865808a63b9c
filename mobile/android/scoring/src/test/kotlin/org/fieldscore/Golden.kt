package org.fieldscore

import java.io.File
import java.security.MessageDigest

/** The golden suite's files (tests/golden/credit), as every language reads them. */
object Golden {
    private val folder = File(checkNotNull(System.getProperty("fieldscore.golden")) { "start with: cargo xtask android" })

    /** A golden bundle of another family of models, with its applications and digests. */
    class Family(folder: File) {
        val name: String = folder.name
        val bundle: ByteArray = File(folder, "$name.fsb").readBytes()

        /** The applications as text forms, by name. */
        val rows: List<Map<String, String>> = rows(File(folder, "applications.csv"))

        /** For each table, by the name of its field, its rows; `id` says whose each is. */
        val tables: Map<String, List<Map<String, String>>> =
            checkNotNull(folder.listFiles { file -> file.extension == "csv" && file.name != "applications.csv" })
                .associate { it.nameWithoutExtension to rows(it) }

        /** What it asks of a library: feature bits. */
        val features: Long = (0..7).sumOf { at -> (bundle[16 + at].toLong() and 0xff) shl (8 * at) }

        /** What was recorded: kind, count, digest. */
        val digests: List<List<String>> = File(folder, "digests.txt").readLines().map { it.split(" ") }

        /** The recorded digest of the summary of all applications, where the bundle has a histogram. */
        val summary: String? =
            File(folder, "summary.txt").takeIf { it.exists() }?.readText()?.trim()?.removePrefix("summary 1000 ")

        private fun rows(file: File): List<Map<String, String>> {
            val lines = file.readLines().map { it.split(",") }
            return lines.drop(1).map { lines.first().zip(it).toMap() }
        }

        /** The first applications, for a scorer of the bundle. */
        fun applications(scorer: FieldScorer, count: Int): List<Application> {
            val types = scorer.info.fields.associate { it.name to it.type }
            return rows.take(count).map { row ->
                val id = row.getValue("id")
                scorer.application(id, row.getValue("as_of")) {
                    row.forEach { (name, text) -> if (name != "id" && name != "as_of") setText(name, text) }
                    tables.forEach { (name, rows) ->
                        val columns = (types.getValue(name) as FieldType.Table).columns.map { it.name }
                        val own = rows.filter { it["id"] == id }.map { cells -> columns.map { cells.getValue(it) } }
                        if (own.isNotEmpty()) setRows(name, own)
                    }
                }
            }
        }
    }

    /** The notices of the first twelve applications that are decided. */
    fun notices(language: String): String = File(folder, "notices.$language.txt").readText()

    /** What the library decides with beyond chains of dense layers and scorecards: trees and policies' tables, or with `tensors` everything. */
    val features: Long = if (System.getProperty("fieldscore.tensors") == "true") ALL else TREES

    private const val TREES = 0b1100101L
    private const val ALL = 0b1111111L

    /** Read one by one as they are asked for: the heap of the tests is small. */
    val families: Sequence<Family>
        get() = checkNotNull(File(folder, "../families").listFiles()).sorted().asSequence().map { Family(it) }

    val path: String = File(folder, "credit.fsb").path
    val bundle: ByteArray = File(folder, "credit.fsb").readBytes()
    val keys = listOf(PublicKey.ofHex(File(folder, "key.txt").readText()))

    private val csv = File(folder, "applications.csv").readLines().map { it.split(",") }
    val names: List<String> = csv.first().drop(2)

    /** An application's texts: id, day, values in the order of [names]. */
    val rows: List<List<String>> = csv.drop(1)

    /** The recorded digest of a mark, such as `plain 10000`. */
    fun digest(mark: String): String =
        listOf("digests.txt", "alternatives.txt").flatMap { File(folder, it).readLines() }.first { it.startsWith("$mark ") }.removePrefix("$mark ")

    fun open(): FieldScorer = FieldScorer.open(bundle, keys)

    fun FieldScorer.application(row: List<String>): Application =
        application(row[0], row[1]) { names.forEachIndexed { at, name -> setText(name, row[at + 2]) } }

    /** An application that the golden bundle approves, with some values changed. */
    fun FieldScorer.approved(
        asOf: String = "2026-09-01",
        automation: Boolean = true,
        id: String = "A-1",
        change: Application.Builder.() -> Unit = {},
    ): Application =
        application(id, asOf, automation) {
            "seniority" to 12
            "home" to "owner"
            "time" to 36
            "records" to "no"
            "job" to "fixed"
            "expenses" to 60
            "income" to 214
            "assets" to 10_000L
            "debt" to 0
            "amount" to 900
            "price" to 1400
            change()
        }

    /** SHA-256 over records, and over the codes of those that were refused. */
    fun digest(parts: List<ByteArray>): String {
        val sha = MessageDigest.getInstance("SHA-256")
        parts.forEach(sha::update)
        return sha.digest().joinToString("") { "%02x".format(it) }
    }

    fun recorded(work: () -> ByteArray): ByteArray =
        try {
            work()
        } catch (error: FieldscoreException) {
            error.code.toByteArray()
        }
}
