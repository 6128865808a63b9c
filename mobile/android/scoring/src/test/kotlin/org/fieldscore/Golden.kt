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
        private val lines = File(folder, "applications.csv").readLines().map { it.split(",") }
        val header: List<String> = lines.first()
        val rows: List<List<String>> = lines.drop(1)

        /** What was recorded: kind, count, digest. */
        val digests: List<List<String>> = File(folder, "digests.txt").readLines().map { it.split(" ") }
    }

    val families: List<Family> =
        checkNotNull(File(folder, "../families").listFiles()).sorted().map { Family(it) }

    val path: String = File(folder, "credit.fsb").path
    val bundle: ByteArray = File(folder, "credit.fsb").readBytes()
    val keys = listOf(PublicKey.ofHex(File(folder, "key.txt").readText()))

    private val csv = File(folder, "applications.csv").readLines().map { it.split(",") }
    val names: List<String> = csv.first().drop(2)

    /** An application's texts: id, day, values in the order of [names]. */
    val rows: List<List<String>> = csv.drop(1)

    /** The recorded digest of a mark, such as `plain 10000`. */
    fun digest(mark: String): String =
        File(folder, "digests.txt").readLines().first { it.startsWith("$mark ") }.removePrefix("$mark ")

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
