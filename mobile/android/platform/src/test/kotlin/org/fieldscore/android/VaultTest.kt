package org.fieldscore.android

import android.content.Context
import android.content.ContextWrapper
import java.io.File
import java.io.IOException
import java.security.GeneralSecurityException
import java.security.KeyStoreException
import java.security.Security
import java.util.concurrent.CyclicBarrier
import java.util.concurrent.Executors
import org.fieldscore.sample.DRAFT
import org.fieldscore.sample.Saved
import org.fieldscore.sample.draft
import org.fieldscore.sample.drafts
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** The vault's files, with Android 6's classes on a JVM, and keys that are no Keystore's. */
class VaultTest {
    @TempDir
    lateinit var folder: File

    private val context: Context
        get() = object : ContextWrapper(null) {
            override fun getNoBackupFilesDir(): File = folder

            override fun getApplicationContext(): Context = this
        }

    private val vault by lazy { Vault(context, "records") }
    private val secret = "income 4711".toByteArray()

    /** The only file that there is. */
    private val file: File
        get() = folder.walk().single { it.isFile }

    @BeforeEach
    fun keystore() {
        Keys.reset()
        Security.addProvider(Keys)
    }

    @AfterEach
    fun noKeystore() = Security.removeProvider(Keys.name)

    @Test
    fun whatIsWrittenIsReadAndCannotBeSeen() {
        vault.write("A-1", secret)
        assertArrayEquals(secret, vault.read("A-1"))
        assertArrayEquals(secret, Vault(context, "records").read("A-1"))
        val first = file.readBytes()
        assertFalse("4711" in String(first, Charsets.ISO_8859_1))
        vault.write("A-1", secret)
        assertFalse(first.contentEquals(file.readBytes()), "the same IV twice")
        vault.write("A-1", ByteArray(0))
        assertEquals(0, vault.read("A-1")!!.size)
        assertNull(vault.read("A-2"))
    }

    @Test
    fun namesAreAnythingAndComeInOrder() {
        val names = listOf("../up", "A-1", "a/b", "\u00e4\ud83d\ude00")
        names.reversed().forEach { vault.write(it, it.toByteArray()) }
        assertEquals(names, vault.list())
        names.forEach { assertEquals(it, String(vault.read(it)!!)) }
        // What an interrupted write leaves, and what isn't the vault's.
        val place = folder.walk().first { it.isFile }.parentFile
        listOf("412d31.new", "412", "readme", "4A").forEach { File(place, it).writeText("x") }
        assertEquals(names, vault.list())
        names.forEach(vault::delete)
        vault.delete("never there")
        assertEquals(emptyList<String>(), vault.list())
        assertEquals(emptyList<String>(), Vault(context, "another").list())
    }

    @Test
    fun everyByteCounts() {
        vault.write("A-1", secret)
        val whole = file.readBytes()
        for (at in whole.indices) {
            file.writeBytes(whole.copyOf().also { it[at] = (it[at] + 1).toByte() })
            assertThrows(GeneralSecurityException::class.java, { vault.read("A-1") }, "byte $at")
        }
        for (length in whole.indices) {
            file.writeBytes(whole.copyOf(length))
            assertThrows(GeneralSecurityException::class.java, { vault.read("A-1") }, "$length bytes")
        }
        file.writeBytes(whole)
        assertArrayEquals(secret, vault.read("A-1"))
    }

    @Test
    fun aFileIsNotTakenForAnother() {
        vault.write("A-1", secret)
        val first = file
        vault.write("A-2", "another".toByteArray())
        val second = folder.walk().single { it.isFile && it != first }
        first.copyTo(second, overwrite = true)
        assertThrows(GeneralSecurityException::class.java) { vault.read("A-2") }
    }

    @Test
    fun aLostKeyIsToldAndTheVaultStartsAfresh() {
        vault.write("A-1", secret)
        Keys.reset()
        assertThrows(GeneralSecurityException::class.java) { vault.read("A-1") }
        assertEquals(0, Keys.made)
        vault.write("A-2", secret)
        assertArrayEquals(secret, vault.read("A-2"))
        assertThrows(GeneralSecurityException::class.java) { vault.read("A-1") }
        vault.clear()
        assertEquals(emptyList<String>(), vault.list())
        assertTrue(folder.walk().none { it.isFile } && Keys.held.isEmpty())
        vault.write("A-1", secret)
        assertArrayEquals(secret, vault.read("A-1"))
    }

    @Test
    fun aKeystoreThatFailsSaysSo() {
        Keys.failing = true
        assertThrows(KeyStoreException::class.java) { vault.write("A-1", secret) }
        assertNull(vault.read("A-1"))
        Keys.failing = false
        vault.write("A-1", secret)
        assertArrayEquals(secret, vault.read("A-1"))
    }

    @Test
    fun whereNothingCanBeWrittenNothingIsLost() {
        File(folder, "fieldscore-vault").writeText("a file in the folder's place")
        assertThrows(IOException::class.java) { vault.write("A-1", secret) }
        assertNull(vault.read("A-1"))
    }

    @Test
    fun vaultsOfOneNameHaveOneKey() {
        val start = CyclicBarrier(8)
        val pool = Executors.newFixedThreadPool(8)
        val work = List(8) { number ->
            pool.submit {
                start.await()
                Vault(context, "records").write("A-$number", secret)
            }
        }
        work.forEach { it.get() }
        pool.shutdown()
        assertEquals(1, Keys.made)
        repeat(8) { assertArrayEquals(secret, vault.read("A-$it")) }
    }

    @Test
    fun whatIsSavedComesBack() {
        val texts = mapOf("income" to "4711", "job" to "\u00e4\ud83d\ude00".repeat(40_000), "home" to "")
        val saved = Saved.of(Saved("A-1", texts, "Approved", secret).toBytes())!!
        assertEquals(listOf("A-1", texts, "Approved"), listOf(saved.id, saved.texts, saved.decision))
        assertArrayEquals(secret, saved.record)
        val draft = Saved.of(Saved("A-2", emptyMap()).toBytes())!!
        assertEquals(listOf(null, null), listOf(draft.decision, draft.record))
        val newer = Saved("A-3", texts).toBytes().also { it[0] = 2 }
        assertNull(Saved.of(newer))
    }

    @Test
    fun aDraftThatIsLostLeavesRoomForTheNext() {
        assertNull(draft(context))
        drafts(context).write(DRAFT, Saved("A-1", mapOf("income" to "1")).toBytes())
        assertEquals("A-1", draft(context)!!.id)
        Keys.reset()
        assertNull(draft(context))
        drafts(context).write(DRAFT, Saved("A-2", emptyMap()).toBytes())
        assertEquals("A-2", draft(context)!!.id)
    }
}
